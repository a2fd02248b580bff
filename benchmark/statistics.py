"""Intervals."""

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
_BLOCK = 1_000


def bootstrap_interval(
    values: NDArray[np.floating], prompt: NDArray[np.integer], seed: int, level: float = 0.95
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the mean over tokens, resampling whole prompts.

    Tokens of one prompt are not independent, so prompts are drawn, each with all its tokens; the mean is over the
    tokens drawn (Davison & Hinkley, Bootstrap Methods and their Application, §3.8, cluster resampling).

    Args:
        values: tokens.
        prompt: tokens, the prompt each belongs to.
        seed: of the draw.
        level: coverage.

    Returns:
        Low and high end, or None for fewer than two prompts, which say nothing about other prompts.
    """
    _, member = np.unique(prompt, return_inverse=True)
    sums = np.bincount(member, weights=values)
    counts = np.bincount(member)
    if len(sums) < 2:
        return None
    rng = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, _BLOCK):
        drawn = rng.integers(len(sums), size=(_BLOCK, len(sums)))
        means[start : start + _BLOCK] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
