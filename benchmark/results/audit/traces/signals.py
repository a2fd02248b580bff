"""What signals cannot be: probabilities and entropies that no distribution has, or that the logits' margins deny."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmark.results.audit.fault import Fault
from benchmark.results.row import Row
from benchmark.trace.record import Trace

_ROUNDING = 1e-3
"""Of probabilities, entropies and cosines; many times what float32 makes of them."""
_APART = {"float32": 0.01, "float64": 0.01}
_APART_16_BIT = 0.2
"""How far 1 − p₂/p₁ may lie from what the margin of the logits gives, on average: another product rounds another way.
Measured: 1e-6 in 32 bit; 0.02 in 16 bit, where logits of 20 stand 0.1 apart."""

_SHARE_OF_TIES = {"float32": 0.001, "float64": 0.001}
_SHARE_OF_TIES_16_BIT = 0.02
_TIES = 3
"""Exits, and their share, that may name the full model's token without matching: where its two best logits are so near
that the exact product prefers the other, exits are held against that one."""


def impossible_signals(row: Row, trace: Trace) -> Iterator[Fault]:
    """What is wrong with the signals of the exits.

    Args:
        row: of a case that went well.
        trace: its arrays have the shapes that the row asks for.
    """
    kept = trace.signalled
    if not (kept if row.signals_asked == "all" else kept == trace.sampled).all():
        yield Fault("signals_asked", f"is {row.signals_asked}, but signals of {int(kept.sum())} tokens were kept")
    first, others = trace.similarity_previous[:, :1], trace.similarity_previous[:, 1:]
    if not (np.isnan(first).all() and (np.abs(others) <= 1 + _ROUNDING).all()):
        yield Fault("similarity_previous", "is a cosine from the second layer on, and none for the first")
    missed = ~trace.matches[kept] & (trace.predictions == trace.target[kept][:, None])
    if missed.sum() > _TIES + _SHARE_OF_TIES.get(row.dtype or "", _SHARE_OF_TIES_16_BIT) * missed.size:
        yield Fault("predictions", f"is the full model's token at {int(missed.sum())} exits that do not match")
    if not kept.any():
        return
    yield from _distributions(row, trace)
    yield from _margins(row, trace)


def _distributions(row: Row, trace: Trace) -> Iterator[Fault]:
    """Rules of every distribution over the vocabulary, by its largest probabilities.

    The entropy is at least −ln p₁, and at most that of a distribution that spreads 1 − p₁ evenly over the other words.
    """
    words = max(row.vocab_size or 0, 1)
    first, gap, entropy = (array.astype(np.float64) for array in (trace.max_prob, trace.prob_margin, trace.entropy))
    inside = np.clip(first, 1 / words, 1)
    rest = np.where(inside < 1, 1 - inside, 1)
    most = -inside * np.log(inside) - np.where(inside < 1, rest * np.log(rest / max(words - 1, 1)), 0)
    rules = [
        ("max_prob", f"is within 1/{words} and 1", (first >= 1 / words - _ROUNDING) & (first <= 1 + _ROUNDING)),
        ("prob_margin", "is within 0 and max_prob", (gap >= 0) & (gap <= first + _ROUNDING)),
        ("prob_margin", "leaves room for p₂ in what p₁ leaves", first - gap <= 1 - first + _ROUNDING),
        ("entropy", "is at least −ln of max_prob", entropy >= -np.log(inside) - _ROUNDING),
        ("entropy", "is what max_prob leaves room for", entropy <= most + _ROUNDING * max(1, np.log(words))),
    ]
    for name, rule, holds in rules:
        if not holds.all():
            yield Fault(name, f"{rule}, but not for {int((~holds).sum())} of {holds.size} values")


def _margins(row: Row, trace: Trace) -> Iterator[Fault]:
    """p₂/p₁ is exp of minus the margin of the logits, that of decoding and those of the sample."""
    kept, most = trace.signalled, _APART.get(row.dtype or "", _APART_16_BIT)
    share = trace.prob_margin.astype(np.float64) / np.maximum(trace.max_prob, np.finfo(np.float32).tiny)
    apart = _apart(share[:, -1], trace.margin[kept])
    if trace.sampled.any():
        apart = max(apart, _apart(share[trace.sampled[kept]], trace.layer_margin))
    if apart > most:
        yield Fault("prob_margin", f"is {apart:.3g} of max_prob away from what the margins of the logits give")


def _apart(share: NDArray[np.float64], margin: NDArray[np.float32]) -> float:
    return float(np.abs(share + np.expm1(-margin.astype(np.float64))).mean())
