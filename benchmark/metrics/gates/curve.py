"""All that a gate can do: where each token leaves at every threshold at which something changes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.gates.gate import Scores


class Curve(NamedTuple):
    """Sums over the tokens at S thresholds, from the strictest on."""

    thresholds: NDArray[np.float64]
    """S, falling: λ. The first is infinite; no token leaves there."""
    right: NDArray[np.int64]
    """S: tokens whose exit gives the full model's token."""
    sums: NDArray[np.float64]
    """S × Q: sums of Q quantities that depend on the exit alone."""


def exits_at(score: Scores, threshold: float) -> NDArray[np.intp]:
    """Return at which look each token leaves, N; K where it does not leave before the last layer.

    Args:
        score: N × K, how sure the gate is at each look.
        threshold: λ; a token leaves at the first look whose score is at least that.
    """
    sure = score >= threshold
    return np.where(sure.any(axis=1), sure.argmax(axis=1), score.shape[1]) if score.size else np.zeros(len(score), int)


def curve(score: Scores, right: NDArray[np.bool_], by_exit: NDArray[np.float64]) -> Curve:
    """Return the curve over all thresholds.

    As λ falls, a token moves from the last layer to its surest look, and on to each look that was surer than all before
    it: these are all the changes there are.

    Args:
        score: N × K, NaN where the gate never leaves.
        right: N × K, whether a look's token is the full model's; the last layer's always is.
        by_exit: K + 1 × Q, quantities of a token that leaves at each look, and of one that does not leave.
    """
    tokens, last = score.shape
    highest = np.maximum.accumulate(np.where(np.isnan(score), -np.inf, score), axis=1)
    before = np.concatenate([np.full((tokens, 1), -np.inf), highest[:, :-1]], axis=1)[:, :last]
    token, look = np.nonzero(score > before)
    value = score[token, look]
    # Where the token left before λ fell to this value.
    earlier = np.full(len(look), last)
    if len(look):
        same = token[1:] == token[:-1]
        earlier[:-1][same] = look[1:][same]
    every = np.concatenate([right, np.ones((tokens, 1), bool)], axis=1).astype(np.int64)
    order = np.argsort(-value, kind="stable")
    gained = (every[token, look] - every[token, earlier])[order].cumsum()
    moved = (by_exit[look] - by_exit[earlier])[order].cumsum(axis=0)
    value = value[order]
    final = np.append(value[1:] != value[:-1], True)[: len(value)]  # all tokens of one value move together
    return Curve(
        thresholds=np.concatenate([[np.inf], value[final]]),
        right=tokens + np.concatenate([[0], gained[final]]),
        sums=tokens * by_exit[-1] + np.concatenate([np.zeros((1, by_exit.shape[1])), moved[final]]),
    )
