"""What cannot be in the tokens of a case, whoever wrote them down: the definitions of the arrays forbid it."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.results.audit.answers import impossible_answers
from benchmark.results.audit.fault import Fault, told
from benchmark.results.audit.traces.sample import impossible_sample
from benchmark.results.audit.traces.signals import impossible_signals
from benchmark.results.audit.traces.texts import impossible_texts
from benchmark.results.row import Row
from benchmark.trace.arrays import BY_TOKEN, OF_SAMPLE, OF_SIGNALS
from benchmark.trace.record import NEAR_TIE, GivenTrace, Trace, WrittenTrace

_ROUNDING = 1e-3
"""Of cosines; many times what float32 makes of them."""
_HAS = {True: "has given tokens", False: "has no given tokens"}
_COSINES = ("similarity_logit", "similarity_logit_raw", "similarity_hidden")


def impossible_tokens(row: Row, trace: Trace) -> list[Fault]:
    """What is wrong with the tokens beside a row, be it by themselves or held against the row's counts.

    Args:
        row: of a case that went well.
        trace: as it was read; its arrays may be of any shape.
    """
    # The rules on values and texts take the shapes for granted, those on the sample the order of the texts as well.
    if faults := list(_shapes(row, trace)):
        return faults
    texts = list(impossible_texts(row, trace))
    sample = impossible_sample(row, trace) if not texts else ()
    answers = impossible_answers(row, trace) if not texts else ()
    return [*_values(row, trace), *impossible_signals(row, trace), *texts, *sample, *answers]


def _shapes(row: Row, trace: Trace) -> Iterator[Fault]:
    tokens, layers = len(trace.target), row.num_layers
    if (row.capture == "given") != isinstance(trace, GivenTrace):
        yield Fault("capture", f"is '{row.capture}', but the Parquet file {_HAS[isinstance(trace, GivenTrace)]}")
        return
    if isinstance(trace, WrittenTrace) and row.engine != "two-phase":
        yield Fault("engine", f"is {told(row.engine)}, but the Parquet file has tokens that were written before")
        return
    if tokens == 0:
        yield Fault("tokens", "there are none in the Parquet file")
        return
    if row.tokens != tokens:
        yield Fault("tokens", f"is {row.tokens}, but there are {tokens} in the Parquet file")
    sampled = int(trace.sampled.sum()) if trace.sampled.shape == (tokens,) else None
    if row.sampled_tokens != sampled:
        yield Fault("sampled_tokens", f"is {row.sampled_tokens}, but there are {sampled} in the Parquet file")
    signalled = len(trace.predictions)
    if row.signal_tokens != signalled or signalled not in (sampled, tokens):
        yield Fault("signal_tokens", f"is {row.signal_tokens}, but there are {signalled} in the Parquet file")
    counts = dict.fromkeys(OF_SAMPLE, sampled) | dict.fromkeys(OF_SIGNALS, signalled)
    for field in fields(trace):
        rows = counts.get(field.name, tokens)
        shape, expected = getattr(trace, field.name).shape, (rows,) if field.name in BY_TOKEN else (rows, layers)
        if shape != expected:
            yield Fault(field.name, f"is of the shape {shape}, not {expected}: tokens, and layers of the model")


def _values(row: Row, trace: Trace) -> Iterator[Fault]:
    """Rules on single values, each an array that is to be true all over."""
    hit, hit_of_signals = trace.matches[trace.sampled], trace.matches[trace.signalled]
    target = trace.target[trace.signalled][:, None]
    words = max(row.vocab_size or 0, 1)
    k = row.top_k or 1
    rules = [
        ("matches", "the last layer always has the full model's token", trace.matches[:, -1]),
        ("target", "is a token of the vocabulary", _within(trace.target, 0, words - 1)),
        ("given", "is a token of the vocabulary", _within(trace.token, 0, words - 1)),
        ("word_position", "is −1 or a place in a word", trace.word_position >= -1),
        ("margin", "is not negative", trace.margin >= 0),
        ("predictions", "is a token of the vocabulary", _within(trace.predictions, 0, words - 1)),
        (
            "predictions",
            "is the full model's token where the layer matches",
            ~hit_of_signals | (trace.predictions == target),
        ),
        ("rank", "is 1 where the layer matches, and nowhere else", (trace.rank == 1) == hit),
        ("rank", "is within 1 and the vocabulary", _within(trace.rank, 1, words)),
        ("similarity_topk", f"is a share of {k}", _shares(trace.similarity_topk, k)),
        ("similarity_topk", "is 1 for the last layer", trace.similarity_topk[:, -1:] == 1),
        ("kl", "is not negative", trace.kl >= 0),
        ("kl", "is 0 for the last layer", trace.kl[:, -1:] == 0),
        ("layer_margin", "is not negative", trace.layer_margin >= 0),
        ("half_matches", "is −1, 0 or 1", _within(trace.half_matches, -1, 1)),
        ("half_matches", "is −1 for a layer without halves, at every token", _all_or_none(trace.half_matches < 0)),
    ]
    if isinstance(trace, WrittenTrace):
        other = trace.written != trace.target
        rules.append(("written", "is another token than the full model's somewhere", other.any(keepdims=True)))
        if row.dtype == "float32":
            rules.append(("written", "is the full model's token but at near-ties", ~other | (trace.margin <= NEAR_TIE)))
    for name in _COSINES:
        cosine = getattr(trace, name)
        if name != "similarity_hidden" or not np.isnan(cosine).all():  # some models do not show what enters their head
            rules.append((name, "is within −1 and 1", _within(cosine, -1 - _ROUNDING, 1 + _ROUNDING)))
            rules.append((name, "is 1 for the last layer", _within(cosine[:, -1], 1 - _ROUNDING, 2)))
    for name, rule, kept in rules:
        if not kept.all():
            yield Fault(name, f"{rule}, but not for {int((~kept).sum())} of {kept.size} values")


def _within(array: NDArray[Any], low: float, high: float) -> NDArray[np.bool_]:
    return (array >= low) & (array <= high)


def _shares(array: NDArray[np.float32], k: int) -> NDArray[np.bool_]:
    counts = array.astype(np.float64) * k
    return _within(array, 0, 1) & (np.abs(counts - np.rint(counts)) < _ROUNDING)


def _all_or_none(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """n × L: whether all tokens of the layer agree."""
    return np.broadcast_to(flags.all(axis=0) | ~flags.any(axis=0), flags.shape)
