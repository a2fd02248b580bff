"""Intervals: how far a number of a case would move with other prompts of the same kind."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

RESAMPLES = 10_000
ONE_PROMPT = "all tokens are of one prompt, and one prompt says nothing about others"
"""Why there is no interval."""
_BLOCK = 1_000

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From means, draws × C, to draws."""


def plain_mean(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean itself: draws × 1 → draws."""
    return means[:, 0]


def bootstrap_interval(
    values: NDArray[np.floating],
    prompt: NDArray[np.integer],
    seed: int,
    statistic: Statistic = plain_mean,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Expanded percentile bootstrap interval of a statistic of means over tokens, resampling whole prompts.

    Tokens of one prompt are not independent, so prompts are drawn, each with all its tokens; the means are over the
    tokens drawn (Davison & Hinkley, Bootstrap Methods and their Application, §3.8, cluster resampling).

    Args:
        values: tokens, or tokens × C.
        prompt: tokens, the prompt each belongs to.
        seed: of the draws.
        statistic: what the interval is of, as a function of the C means.
        level: coverage.

    Returns:
        Low and high end, or None for fewer than two prompts (`ONE_PROMPT`).
    """
    _, member = np.unique(prompt, return_inverse=True)
    table = np.asarray(values, np.float64).reshape(len(member), -1)
    sums = np.stack([np.bincount(member, weights=column) for column in table.T], axis=1)
    sizes = np.bincount(member)
    if len(sizes) < 2:
        return None
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(0, RESAMPLES, _BLOCK):
        times = _times_drawn(rng, len(sizes))
        means.append(times @ sums / (times @ sizes)[:, None])
    tail = expanded_tail(len(sizes), level)
    low, high = np.quantile(statistic(np.concatenate(means)), [tail, 1 - tail])
    return float(low), float(high)


def expanded_tail(n: int, level: float = 0.95) -> float:
    """Share of the draws to leave out at either end: Φ(−√(n/(n−1)) · t_{α/2, n−1}) instead of α/2.

    Few prompts look more alike than all prompts are, and a plain percentile interval of them is too narrow. This one
    is as wide as a t interval where the draws are normal (Hesterberg, What Teachers Should Know About the Bootstrap,
    The American Statistician 69(4), 2015, "expanded percentile").

    Args:
        n: prompts, at least 2.
        level: 1 − α.
    """
    return float(norm.cdf(-math.sqrt(n / (n - 1)) * t.ppf((1 + level) / 2, n - 1)))


def _times_drawn(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """How often each of n prompts is in each of `_BLOCK` draws of n: draws × prompts."""
    drawn = rng.integers(n, size=(_BLOCK, n)) + n * np.arange(_BLOCK)[:, None]
    # As floats, because whole numbers have no fast matrix product.
    return np.bincount(drawn.reshape(-1), minlength=_BLOCK * n).reshape(_BLOCK, n).astype(np.float64)


def interval_columns(
    column: str,
    values: NDArray[np.floating],
    prompt: NDArray[np.integer],
    seed: int,
    statistic: Statistic = plain_mean,
) -> dict[str, float | None]:
    """Return the two ends of the interval of a column by their names; null with one prompt."""
    low, high = bootstrap_interval(values, prompt, seed, statistic) or (None, None)
    return {f"{column}_ci_low": low, f"{column}_ci_high": high}
