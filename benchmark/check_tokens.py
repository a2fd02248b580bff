"""What cannot be in the tokens of a case, whoever wrote them down: definitions and the order of things forbid it."""

import bisect
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.row import Row
from benchmark.sampling import Sampling
from benchmark.trace import OF_SAMPLE, Trace
from benchmark.verdict import Fault

_ROUNDING = 1e-3
"""Of cosines; many times what float32 makes of them."""
_BY_TOKEN = ("prompt", "position", "target", "text", "word_position", "margin", "sampled")
"""Arrays of one value a token; the others have one a layer."""
_MOST_PLACES = 10_000_000
"""Of a grid of prompts and positions: more than a model writes in a year, and than one would draw a sample from."""
_COSINES = ("similarity_logit", "similarity_logit_raw", "similarity_hidden")


def impossible_tokens(row: Row, trace: Trace) -> list[Fault]:
    """What is wrong with the tokens beside a row, be it by themselves or held against the row's counts.

    Args:
        row: of a case that went well.
        trace: as it was read; its arrays may be of any shape.
    """
    faults = list(_shapes(row, trace))
    # Every other rule takes the shapes for granted.
    return faults or [*_values(row, trace), *_order(row, trace)]


def _shapes(row: Row, trace: Trace) -> Iterator[Fault]:
    tokens, layers = len(trace.target), row.num_layers
    if tokens == 0:
        yield Fault("tokens", "there are none in the Parquet file")
        return
    if row.tokens != tokens:
        yield Fault("tokens", f"is {row.tokens}, but there are {tokens} in the Parquet file")
    sampled = int(trace.sampled.sum()) if trace.sampled.shape == (tokens,) else None
    if row.sampled_tokens != sampled:
        yield Fault("sampled_tokens", f"is {row.sampled_tokens}, but there are {sampled} in the Parquet file")
    for field in fields(trace):
        rows = sampled if field.name in OF_SAMPLE else tokens
        shape, expected = getattr(trace, field.name).shape, (rows,) if field.name in _BY_TOKEN else (rows, layers)
        if shape != expected:
            yield Fault(field.name, f"is of the shape {shape}, not {expected}: tokens, and layers of the model")


def _values(row: Row, trace: Trace) -> Iterator[Fault]:
    """Rules on single values, each an array that is to be true all over."""
    hit = trace.matches[trace.sampled]
    target = trace.target[trace.sampled][:, None]
    words = max(row.vocab_size or 0, 1)
    k = row.top_k or 1
    rules = [
        ("matches", "the last layer always has the full model's token", trace.matches[:, -1]),
        ("target", "is a token of the vocabulary", _within(trace.target, 0, words - 1)),
        ("word_position", "is −1 or a place in a word", trace.word_position >= -1),
        ("margin", "is not negative", trace.margin >= 0),
        ("predictions", "is a token of the vocabulary", _within(trace.predictions, 0, words - 1)),
        ("predictions", "is the full model's token where the layer matches", ~hit | (trace.predictions == target)),
        ("rank", "is 1 where the layer matches, and nowhere else", (trace.rank == 1) == hit),
        ("rank", "is within 1 and the vocabulary", _within(trace.rank, 1, words)),
        ("similarity_topk", f"is a share of {k}", _shares(trace.similarity_topk, k)),
        ("similarity_topk", "is 1 for the last layer", trace.similarity_topk[:, -1:] == 1),
        ("entropy", "is within 0 and log of the vocabulary", _within(trace.entropy, 0, np.log(words) + _ROUNDING)),
        ("kl", "is not negative", trace.kl >= 0),
        ("kl", "is 0 for the last layer", trace.kl[:, -1:] == 0),
        ("layer_margin", "is not negative", trace.layer_margin >= 0),
        ("half_matches", "is −1, 0 or 1", _within(trace.half_matches, -1, 1)),
        ("half_matches", "is −1 for a layer without halves, at every token", _all_or_none(trace.half_matches < 0)),
    ]
    for name in _COSINES:
        cosine = getattr(trace, name)
        if name != "similarity_hidden" or not np.isnan(cosine).all():  # some models do not show what enters their head
            rules.append((name, "is within −1 and 1", _within(cosine, -1 - _ROUNDING, 1 + _ROUNDING)))
            rules.append((name, "is 1 for the last layer", _within(cosine[:, -1], 1 - _ROUNDING, 2)))
    for name, rule, kept in rules:
        if not kept.all():
            yield Fault(name, f"{rule}, but not for {int((~kept).sum())} of {kept.size} values")


def _order(row: Row, trace: Trace) -> Iterator[Fault]:
    """Rules on how tokens follow each other, and on how many of them there are."""
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
    elif len(numbers) == row.prompts:
        yield from _sample(row, trace, np.repeat(np.arange(len(numbers)), sizes), place)


def _sample(row: Row, trace: Trace, prompt: NDArray[np.int64], place: NDArray[np.int64]) -> Iterator[Fault]:
    """The sample must be what the seed draws, not what looks best.

    Places are drawn one after another until there are enough, so the sample of n tokens is the same however many places
    it took.

    Args:
        row: of as many prompts as there are tokens of.
        trace: in order.
        prompt: tokens, the number of its prompt among those that were measured.
        place: tokens, the number among the tokens of the prompt.
    """
    width = int(place.max()) + 1 if row.architecture == "encoder" else row.max_new_tokens or 0
    size = (row.prompts or 0) * width
    if size > _MOST_PLACES:
        yield Fault("max_new_tokens", f"no case has {size:,} tokens")
        return
    if row.seed < 0 or place.max() >= width:
        return  # has been said

    def drawn(places: int) -> NDArray[np.bool_]:
        return Sampling(places, seed=row.seed).choose(row.prompts or 0, width)[prompt, place]

    wanted = int(trace.sampled.sum())
    places = bisect.bisect_left(range(size + 1), wanted, key=lambda count: int(drawn(count).sum()))
    if not (drawn(places) == trace.sampled).all():
        yield Fault("sampled", f"the sample is not the one that seed {row.seed} draws")


def _within(array: NDArray[Any], low: float, high: float) -> NDArray[np.bool_]:
    return (array >= low) & (array <= high)


def _shares(array: NDArray[np.float32], k: int) -> NDArray[np.bool_]:
    counts = array.astype(np.float64) * k
    return _within(array, 0, 1) & (np.abs(counts - np.rint(counts)) < _ROUNDING)


def _all_or_none(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """n × L: whether all tokens of the layer agree."""
    return np.broadcast_to(flags.all(axis=0) | ~flags.any(axis=0), flags.shape)
