"""Intervals: how far a number of a case would move with other prompts of the same kind."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True)
class OverTokens:
    """A number of a case, as a statistic of means over its tokens."""

    values: NDArray[np.floating] | NDArray[np.integer]
    """Tokens, or tokens × C: what the means are of."""
    prompt: NDArray[np.integer]
    """Tokens: the prompt each belongs to."""
    statistic: Statistic = plain_mean
    """From the C means to the number."""


@dataclass(frozen=True)
class PairedDifference:
    """A number of two cases of the same prompts, and how far it lies apart."""

    one: float
    """Of the first case, over the prompts that both have."""
    other: float
    """Of the second."""
    prompts: int
    """How many they are."""
    low: float | None
    """Lower end of the 95 % interval of the second minus the first; None for fewer than two prompts."""
    high: float | None
    """Upper end of the same."""


def paired_difference(one: OverTokens, other: OverTokens, seed: int) -> PairedDifference | None:
    """Return how far a number of two cases lies apart, with its interval over prompts; None where they share none.

    Each draw takes the same prompts of both cases, so what makes a prompt easy for both is no part of the difference.
    The interval is that of `bootstrap_interval`.
    """
    shared = np.intersect1d(one.prompt, other.prompt)
    if not len(shared):
        return None
    sums = [_sums(case, shared) for case in (one, other)]
    numbers = [
        case.statistic((values.sum(axis=0) / sizes.sum())[None])[0]
        for case, (values, sizes) in zip((one, other), sums, strict=True)
    ]
    low = high = None
    if len(shared) > 1:
        rng = np.random.default_rng(seed)
        drawn = []
        for times in _draws(rng, len(shared)):
            first, second = (
                case.statistic(times @ values / (times @ sizes)[:, None])
                for case, (values, sizes) in zip((one, other), sums, strict=True)
            )
            drawn.append(second - first)
        tail = expanded_tail(len(shared))
        low, high = map(float, np.quantile(np.concatenate(drawn), [tail, 1 - tail]))
    return PairedDifference(float(numbers[0]), float(numbers[1]), len(shared), low, high)


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
    sums, sizes = _sums(OverTokens(values, prompt), np.unique(prompt))
    if len(sizes) < 2:
        return None
    rng = np.random.default_rng(seed)
    means = [times @ sums / (times @ sizes)[:, None] for times in _draws(rng, len(sizes))]
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


def _sums(case: OverTokens, prompts: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sums over the tokens of each of some prompts, prompts × C, and how many these are."""
    kept = np.isin(case.prompt, prompts)
    member = np.searchsorted(prompts, case.prompt[kept])
    table = np.asarray(case.values, np.float64).reshape(len(case.prompt), -1)[kept]
    sums = np.stack([np.bincount(member, weights=column, minlength=len(prompts)) for column in table.T], axis=1)
    return sums.astype(np.float64), np.bincount(member, minlength=len(prompts))


def _draws(rng: np.random.Generator, n: int) -> Iterator[NDArray[np.float64]]:
    """Yield all draws, a block after the other."""
    for _ in range(0, RESAMPLES, _BLOCK):
        yield _times_drawn(rng, n)


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
