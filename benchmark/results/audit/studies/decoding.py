"""What texts with early exits cannot be like, held against what their row says of them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.experiments.gates import EVERY_GATE
from benchmark.results.audit.answers import impossible_answers
from benchmark.results.audit.fault import Fault, told
from benchmark.results.audit.origins import taken_of
from benchmark.results.row import Row
from benchmark.trace.decoded import Decoded

_MOST_ENDS = 8
"""Different tokens that end a text; models have one to five."""
_SETTLED = 2
"""Tokens behind one that may change what it adds to the text: its neighbour, and one more where that is special."""


def impossible_decoding(row: Row, decoded: Decoded) -> list[Fault]:
    """Return what is wrong with the texts of a row of the decoding study.

    Args:
        row: of a case that went well.
        decoded: its record.
    """
    if decoded.num_tokens == 0 or decoded.num_tokens == len(decoded.token):
        return [Fault("tokens", "there are no texts with early exits, or none of the full model")]
    if wrong := [*_order(decoded), *_rule(row, decoded), *_exits(decoded)]:
        return wrong
    faults = [*_counts(row, decoded), *_tokens(row, decoded), *_ends(row, decoded), *_threshold(row, decoded)]
    faults += [*_texts(decoded), *_answers(decoded)]
    of_both = [fault for full in (False, True) for fault in impossible_answers(row, decoded.of(full))]
    return [*faults, *dict.fromkeys(of_both)]


def _order(decoded: Decoded) -> Iterator[Fault]:
    if not (np.diff(decoded.full.astype(int)) >= 0).all():
        yield Fault("full", "the full model's texts do not stand behind the others")
        return
    for full in (False, True):
        some = decoded.of(full)
        new = np.append(True, np.diff(some.prompt) != 0)
        place = np.arange(len(new)) - np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))
        if not (np.diff(some.prompt.astype(np.int64)) >= 0).all() or some.prompt[0] < 0:
            yield Fault("prompt", "the tokens are not in the order of their prompts")
            return
        if (place != some.position).any():
            yield Fault("position", "the positions of a text's tokens do not count up from 0")
            return
    if [*np.unique(decoded.of(False).prompt)] != [*np.unique(decoded.of(True).prompt)]:
        yield Fault("prompt", "the texts with early exits and the full model's are of different prompts")


def _rule(row: Row, decoded: Decoded) -> Iterator[Fault]:
    """What the record says of the rule, and what the row says."""
    gated = decoded.gated
    said = {"gate": gated.gate, "policy": gated.policy, "num_layers": gated.num_layers}
    for column, value in said.items():
        if getattr(row, column) != value:
            yield Fault(column, f"is {told(getattr(row, column))}, but the texts are of {told(value)}")
    gate = EVERY_GATE.get(gated.gate)
    if gate is None or gated.head != gate.head:
        yield Fault(
            "head", f"the record says that a look of {told(gated.gate)} costs {'the' if gated.head else 'no'} head"
        )
    looks = range(row.min_exit_layer or 1, gated.num_layers, row.check_every or 1)
    if gated.looks != tuple(looks) or not gated.looks:
        yield Fault("check_every", "the texts were looked at in other layers than the row says")


def _exits(decoded: Decoded) -> Iterator[Fault]:
    layers, exits = decoded.num_layers, decoded.exit_layer
    allowed = np.isin(exits, [*decoded.gated.looks, layers])
    if not allowed.all():
        yield Fault("exit_layer", f"{int((~allowed).sum())} tokens left where nobody looked")
    if (exits[decoded.full] != layers).any() or (exits[decoded.position == 0] != layers).any():
        yield Fault("exit_layer", "the full model's tokens, and the first of each text, leave at the last layer")


def _counts(row: Row, decoded: Decoded) -> Iterator[Fault]:
    numbers = np.unique(decoded.prompt)
    found = {
        "tokens": decoded.num_tokens,
        "full_tokens": len(decoded.token) - decoded.num_tokens,
        "prompts": len(numbers),
    }
    for column, value in found.items():
        if getattr(row, column) != value:
            yield Fault(column, f"is {told(getattr(row, column))}, but the record has {value}")
    if decoded.position.max() >= (row.max_new_tokens or 0):
        yield Fault("max_new_tokens", f"is {row.max_new_tokens}, but a text has {decoded.position.max() + 1} tokens")
    if numbers[-1] >= taken_of(row):
        yield Fault("prompt", f"the row has prompts 0 to {taken_of(row) - 1}, the tokens one of number {numbers[-1]}")
    aside = row.calibration_prompts is not None
    if aside and (numbers % 2 == 0).any():
        yield Fault("calibration_prompts", "prompts of even number were set aside, and were decoded all the same")
    if not aside and row.threshold_asked is None and (numbers % 2).any():
        yield Fault("calibration_prompts", "is missing: prompts of odd number alone are decoded, where there are any")


def _tokens(row: Row, decoded: Decoded) -> Iterator[Fault]:
    if decoded.token.min() < 0 or decoded.token.max() >= (row.vocab_size or 0):
        yield Fault("token", "is not a token of the vocabulary")
    texts, full = decoded.of(False), decoded.of(True)
    if (texts.token[texts.position == 0] != full.token[full.position == 0]).any():
        yield Fault("token", "the first token of a text is the full model's, and is another one")
    exact = row.gate == "oracle" and row.policy == "recompute"
    if (exact or (texts.exit_layer == row.num_layers).all()) and [*texts.token] != [*full.token]:
        yield Fault("token", "tokens that are right at their exit, or never leave, are the full model's, and are not")


def _threshold(row: Row, decoded: Decoded) -> Iterator[Fault]:
    """What exits say of the threshold by themselves, without signals."""
    looks, layers, threshold = np.array(decoded.gated.looks), decoded.num_layers, row.threshold
    exits = decoded.exit_layer[~decoded.full & (decoded.position > 0)]
    if threshold is None or len(exits) == 0:
        return
    first = layers
    if row.gate == "static":
        first = int(np.append(looks[looks / layers >= threshold], layers)[0])
    elif row.gate == "patience":
        first = int(np.append(looks[np.arange(1, len(looks) + 1) / len(looks) >= threshold], layers)[0])
    elif threshold == 0:
        # At the first layer there is no layer before it to be similar to.
        first = int(np.append(looks[looks > 1], layers)[0] if row.gate == "saturation" else looks[0])
    else:
        return
    too_early, must = exits < first, row.gate != "patience" or threshold <= 1 / len(looks)
    if too_early.any() or (must and (exits != first).any()):
        yield Fault("threshold", f"is {told(threshold)}, by which the first exit is layer {first}, and it is another")


def _ends(row: Row, decoded: Decoded) -> Iterator[Fault]:
    """A text that is shorter than it might be ends with an end-of-text token, and those stand nowhere else."""
    if row.stop:
        return  # a text may end with any token then
    last = decoded.last
    short = last & (decoded.position + 1 < (row.max_new_tokens or 0))
    ends = np.unique(decoded.token[short])
    inside = int((np.isin(decoded.token, ends) & ~last).sum())
    if len(ends) > _MOST_ENDS or inside:
        yield Fault(
            "token", f"texts are cut short: they end with {len(ends)} tokens, which stand inside {inside} times"
        )


def _texts(decoded: Decoded) -> Iterator[Fault]:
    """Behind one prompt the same tokens add the same to the text, are the same answer, and are worth the same."""
    for texts, full in _pairs(decoded):
        shorter = min(len(texts.token), len(full.token))
        differ = np.flatnonzero(texts.token[:shorter] != full.token[:shorter])
        same = len(texts.token) == len(full.token) and not len(differ)
        settled = shorter if same else max((int(differ[0]) if len(differ) else shorter) - _SETTLED, 0)
        if (texts.text[:settled] != full.text[:settled]).any():
            yield Fault("text", f"the same tokens behind prompt {texts.prompt[0]} read otherwise in its other text")
            return
        if same and texts.answer[-1] != full.answer[-1]:
            yield Fault("answer", f"both texts of prompt {texts.prompt[0]} are the same, and their answers are not")
            return
        if same and not np.array_equal(texts.score[-1], full.score[-1], equal_nan=True):
            yield Fault("score", f"both texts of prompt {texts.prompt[0]} are the same, and their scores are not")
            return


def _answers(decoded: Decoded) -> Iterator[Fault]:
    if (decoded.answer[~decoded.last] != "").any():
        yield Fault("answer", "stands elsewhere than at the last token of a text")
    starts = np.flatnonzero(decoded.position == 0)[1:]
    for pieces, answer in zip(np.split(decoded.text, starts), decoded.answer[decoded.last], strict=True):
        if not _holds("".join(pieces.tolist()), answer):
            yield Fault("answer", f"{told(answer)} is not in the text that its tokens are")
            return


def _pairs(decoded: Decoded) -> Iterator[tuple[Decoded, Decoded]]:
    """The two texts of each prompt."""
    texts, full = decoded.of(False), decoded.of(True)
    for number in np.unique(texts.prompt):
        yield _only(texts, texts.prompt == number), _only(full, full.prompt == number)


def _only(decoded: Decoded, some: NDArray[np.bool_]) -> Decoded:
    arrays = {name: array[some] for name, array in vars(decoded).items() if name != "gated"}
    return Decoded(decoded.gated, **arrays)


def _holds(text: str, answer: str) -> bool:
    """Whether a text has the plain letters and digits of an answer, in their order; other characters come in parts."""
    letters = iter(text)
    return all(letter in letters for letter in answer if letter.isascii() and letter.isalnum())
