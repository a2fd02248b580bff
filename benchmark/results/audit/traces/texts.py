"""What texts cannot be like: tokens follow each other, there are as many as the row says, and texts end at an end."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmark.results.audit.fault import Fault
from benchmark.results.row import Row
from benchmark.trace.record import Trace

_MOST_ENDS = 8
"""Different tokens that end a text; models have one to five."""


def impossible_texts(row: Row, trace: Trace) -> Iterator[Fault]:
    """What is wrong with how tokens follow each other, with how many there are, and with where they stop.

    Args:
        row: of a case that went well.
        trace: its arrays have the shapes that the row asks for.
    """
    masked = row.architecture == "encoder"
    asked = (row.prompts or 0) + (row.prompts_left_out or 0)
    numbers, first, sizes = np.unique(trace.prompt, return_index=True, return_counts=True)
    if not (np.diff(trace.prompt) >= 0).all():
        yield Fault("prompt", "the tokens are not in the order of their prompts")
        return
    if numbers[0] < 0 or numbers[-1] >= asked:
        yield Fault("prompt", f"the row has prompts 0 to {asked - 1}, the tokens {numbers[0]} to {numbers[-1]}")
    # A text may have nothing to mask.
    if len(numbers) != row.prompts and not (masked and len(numbers) < (row.prompts or 0)):
        yield Fault("prompts", f"is {row.prompts}, but the tokens are of {len(numbers)}")
    if sizes.max() > (row.max_new_tokens or 0):
        yield Fault("max_new_tokens", f"is {row.max_new_tokens}, but a prompt has {sizes.max()} tokens")
    start = np.repeat(first, sizes)
    place = np.arange(len(start)) - start
    gap = np.diff(trace.position, prepend=-1)
    follows = (gap > 0) | (place == 0) if masked else trace.position == place
    if not follows.all() or trace.position.min() < 0:
        what = "do not increase" if masked else "do not count up from 0"
        yield Fault("position", f"the positions of a prompt's tokens {what}")
    elif not masked and row.capture == "decoded":
        yield from _ends(row, trace)


def _ends(row: Row, trace: Trace) -> Iterator[Fault]:
    """A text that is shorter than it might be ends with an end-of-text token, and those stand nowhere else.

    Or its last token completes a stop string, which no other token of it does.
    """
    last = np.flatnonzero(np.diff(trace.prompt, append=-1))
    short = trace.position[last] + 1 < (row.max_new_tokens or 0)
    if row.stop:
        texts = np.split(trace.text, last[:-1] + 1)
        going_on = sum(any(stop in _joined(text[:-1]) for stop in row.stop) for text in texts)
        if going_on:
            yield Fault("text", f"{going_on} texts go on behind a stop string")
        short &= [not any(_may_have(_joined(text), stop) for stop in row.stop) for text in texts]
    ends = np.unique(trace.token[last[short]])
    inside = np.isin(trace.token, ends)
    inside[last] = False
    if len(ends) > _MOST_ENDS or inside.any():
        yield Fault(
            "target",
            f"texts are cut short: {int(short.sum())} of fewer than {row.max_new_tokens} tokens end with {len(ends)} "
            f"different ones, which stand inside of texts {int(inside.sum())} times; one that ends a text stands "
            "nowhere else",
        )


def _joined(pieces: NDArray[np.object_]) -> str:
    return "".join(pieces.tolist())


def _may_have(text: str, stop: str) -> bool:
    """Whether a text of pieces may have a string in it; a letter beyond ASCII may be there in parts, as U+FFFD."""
    letters = (re.escape(letter) if letter.isascii() else f"(?:{re.escape(letter)}|\ufffd+)" for letter in stop)
    return re.search("".join(letters), text) is not None
