"""Means over groups of tokens."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def doubling(largest: int) -> list[int]:
    """1, 2, 4, 8, … up to `largest`: where groups start that are each twice as wide as the one before."""
    return [2**power for power in range(largest.bit_length())]


def group_means(
    exits: NDArray[np.int64], values: NDArray[np.integer], starts: Sequence[int]
) -> tuple[list[int], list[float | None]]:
    """Number and mean exit of the tokens of each group.

    Args:
        exits: tokens.
        values: tokens, what they are grouped by; none is below the first start.
        starts: ascending. A group reaches from its start up to the next one, the last group has no end.
    """
    group = np.searchsorted(starts, values, side="right") - 1
    members = [exits[group == index] for index in range(len(starts))]
    return [len(some) for some in members], [mean(some) for some in members]


def mean(values: NDArray[np.bool_] | NDArray[np.int64]) -> float | None:
    """The mean, or None of nothing."""
    return float(values.mean()) if len(values) else None


def mean_of_layers(array: NDArray[Any]) -> list[float] | None:
    """Return the mean over tokens of each layer: tokens × L → L.

    None where there are no tokens, or where what could not be observed is NaN.
    """
    if len(array) == 0 or np.isnan(array).any():
        return None
    means: list[float] = array.mean(axis=0, dtype=np.float64).tolist()
    return means
