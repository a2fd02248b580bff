"""Numbers that speak of models: each with an interval that says how far it would move with other models.

Models made from one base model are alike, so the sampling unit is the lineage: a base model and all that was made from
it. Whole lineages are drawn with replacement, each with all that was measured of it. A draw is written as weights, how
often it holds each lineage, so that a statistic of many draws is one product of arrays.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.metrics.statistics.bootstrap import RESAMPLES, expanded_tail

MINIMUM_DEGREES = 5
"""Degrees of freedom from which on there is an interval. They are the lineages, less the means and slopes fitted: six
lineages for a mean, seven for a correlation, for a slope six more than families; a difference has as many as its
smaller group has lineages. Fewer, drawn again and again, show too little of what others are like."""
_BLOCK = 2_000
_SEED = 0
# A number may not exist in a draw: a correlation does not when one model was drawn again and again.
_MOST_UNDEFINED = 0.05

Numbers = NDArray[np.float64]
Indices = NDArray[np.intp]
Statistic = Callable[[Numbers], Numbers]
"""From weights, draws × lineages, to numbers, draws × C; NaN where a draw does not determine them."""


@dataclass(frozen=True)
class Estimate:
    """A number over models."""

    name: str
    """What it is of."""
    unit: str
    """What it counts."""
    models: int
    """Models it rests on."""
    value: float | None
    """Null where the models do not determine it."""
    low: float | None = None
    """Lower end of the 95 % interval."""
    high: float | None = None
    """Upper end of the same."""
    missing: str | None = None
    """Why there is no interval."""


def over_models(
    names: Sequence[str], unit: str, models: int, statistic: Statistic, strata: Sequence[int], degrees: int
) -> list[Estimate]:
    """C numbers of the same models, with expanded percentile intervals (`statistics.expanded_tail`).

    Args:
        names: C.
        unit: of all of them.
        models: number of models.
        statistic: what is estimated.
        strata: lineages of each group of models, one group after the other; each is drawn by itself.
        degrees: of freedom that the statistic leaves.
    """
    values = statistic(np.ones((1, sum(strata))))[0] if models else np.full(len(names), np.nan)
    draws = np.empty((0, len(names)))
    if degrees >= MINIMUM_DEGREES and np.isfinite(values).any():
        draws = np.concatenate([statistic(weights) for weights in _draws(strata)])
    estimates = []
    for name, value, drawn in zip(names, values.tolist(), draws.T, strict=True):
        low = high = missing = None
        defined = drawn[np.isfinite(drawn)]
        if degrees < MINIMUM_DEGREES:
            missing = f"more models needed: {MINIMUM_DEGREES - degrees}"
        elif not np.isfinite(value):
            missing = "all models alike"
        elif len(defined) < (1 - _MOST_UNDEFINED) * len(drawn):
            missing = "hangs on one or two models"
        else:
            tail = expanded_tail(degrees + 1)
            low, high = np.quantile(defined, [tail, 1 - tail]).tolist()
        estimates.append(Estimate(name, unit, models, value if np.isfinite(value) else None, low, high, missing))
    return estimates


def _draws(strata: Sequence[int]) -> Iterator[Numbers]:
    """How often each draw holds each lineage, as many of a stratum as it has: a block of draws × lineages at a time."""
    times = [_times_drawn(stratum, size) for stratum, size in enumerate(strata)]
    for start in range(0, RESAMPLES, _BLOCK):
        yield np.concatenate([some[start : start + _BLOCK] for some in times], axis=1).astype(np.float64)


@lru_cache(maxsize=16)
def _times_drawn(stratum: int, size: int) -> NDArray[np.uint8]:
    """How often each of many draws of `size` out of as many holds each: draws × size.

    Kept, because most numbers are of the same models, and drawing takes longer than what is done with it. Strata have
    draws of their own, even where they are of one size.
    """
    rng = np.random.default_rng([_SEED, stratum])
    blocks = []
    for _ in range(0, RESAMPLES, _BLOCK):
        drawn = rng.integers(size, size=(_BLOCK, size), dtype=np.uint32) + size * np.arange(_BLOCK)[:, None]
        times = np.bincount(drawn.reshape(-1), minlength=_BLOCK * size).reshape(_BLOCK, size)
        # The odds of a count above 255 are below one in 256!, which has 507 digits.
        blocks.append(times.astype(np.uint8))
    return np.concatenate(blocks)


def numbered(lineage: ArrayLike | None, models: int) -> tuple[Indices, int]:
    """The lineage of each model as a number from 0, and how many there are; without `lineage`, each is of its own."""
    if lineage is None:
        return np.arange(models), models
    names, member = np.unique(np.asarray(lineage, dtype=str), return_inverse=True)
    return member, len(names)


def mean(name: str, unit: str, values: ArrayLike, lineage: ArrayLike | None = None) -> Estimate:
    """Mean over models of a value each; `values` and `lineage` are models."""
    numbers = np.asarray(values, np.float64)
    member, lineages = numbered(lineage, len(numbers))

    def statistic(weights: Numbers) -> Numbers:
        return _means(weights, numbers, member)[:, None]

    (estimate,) = over_models([name], unit, len(numbers), statistic, [lineages], lineages - 1)
    return estimate


def difference(name: str, unit: str, values: ArrayLike, first: ArrayLike, lineage: ArrayLike | None = None) -> Estimate:
    """Mean of the models in the first group minus mean of the others.

    Each group is drawn by itself. The degrees of freedom, lineages of the smaller group, lie between the least and the
    most that Welch's t test can have.

    Args:
        name: what it is of.
        unit: of the values.
        values: models.
        first: models, whether the model is in the first group.
        lineage: models.
    """
    numbers, is_first = np.asarray(values, np.float64), np.asarray(first, bool)
    every, _ = numbered(lineage, len(numbers))
    groups = [numbers[is_first], numbers[~is_first]]
    members, sizes = zip(*(numbered(every[which], 0) for which in (is_first, ~is_first)), strict=True)

    def statistic(weights: Numbers) -> Numbers:
        parts = weights[:, : sizes[0]], weights[:, sizes[0] :]
        means = [_means(*some) for some in zip(parts, groups, members, strict=True)]
        return (means[0] - means[1])[:, None]

    (estimate,) = over_models([name], unit, len(numbers), statistic, sizes, min(sizes))
    return estimate


def _means(weights: Numbers, values: Numbers, member: Indices) -> Numbers:
    """Mean over models: draws; NaN without any."""
    lineages = weights.shape[1]
    counts, sums = (weighted_sum(np.bincount(member, some, lineages), weights.T) for some in (None, values))
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def slope(
    name: str, unit: str, values: ArrayLike, years: ArrayLike, family: ArrayLike, lineage: ArrayLike | None = None
) -> Estimate:
    """Change of the value a year by least squares, each family with a level of its own (fixed effects).

    Families whose models are all of one date say nothing about it, and are left out.

    Args:
        name: what it is of.
        unit: of the value, a year.
        values: models.
        years: models, the release date.
        family: models.
        lineage: models.
    """
    y, x = np.asarray(values, np.float64), np.asarray(years, np.float64)
    families, member = np.unique(np.asarray(family, dtype=str), return_inverse=True)
    dates = [np.unique(x[member == number]) for number in range(len(families))]
    telling = np.array([len(dates[number]) > 1 for number in member], dtype=bool)
    y, x = y[telling], x[telling]
    belongs = np.eye(len(families))[member[telling]]
    # Sums of squares are taken about points close by, or little would be left of them in floating point.
    y, x = (column - belongs @ (belongs.T @ column / np.maximum(belongs.sum(axis=0), 1)) for column in (y, x))
    least = 1e-9 * (x @ x)
    every, _ = numbered(lineage, len(telling))
    drawn, lineages = numbered(every[telling], 0)
    of_lineage = np.eye(lineages)[drawn].T
    families_of = [of_lineage @ column for column in (belongs, belongs * x[:, None], belongs * y[:, None])]
    squares, products = of_lineage @ (x * x), of_lineage @ (x * y)

    def statistic(weights: Numbers) -> Numbers:
        size, sum_x, sum_y = (weights @ sums for sums in families_of)
        size = np.maximum(size, 1)
        spread = weights @ squares - (sum_x**2 / size).sum(axis=1)
        together = weights @ products - (sum_x * sum_y / size).sum(axis=1)
        return np.where(spread > least, together / np.where(spread > least, spread, 1), np.nan)[:, None]

    fitted = int(belongs.any(axis=0).sum()) + 1
    (estimate,) = over_models([name], unit, len(x), statistic, [lineages], lineages - fitted)
    return estimate


def weighted_sum(factors: Numbers | Indices, of_lineages: Numbers) -> Numbers:
    """Over lineages, of lineages × draws, each row times its factor: draws."""
    # Not `@`, whose threads go on to wait for work at full speed and take the processor from what comes next.
    return np.einsum("l,ld->d", factors, of_lineages)
