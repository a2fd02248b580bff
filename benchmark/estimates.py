"""Numbers that speak of models: each with an interval that says how far it would move with other models.

Models are the sampling unit: whole models are drawn with replacement, each with all that was measured of it. A draw is
written as weights, how often it holds each model, so that a statistic of many draws is one product of arrays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.statistics import RESAMPLES, expanded_tail

MINIMUM_DEGREES = 5
"""Degrees of freedom from which on there is an interval. They are the models, less the means and slopes fitted to them:
six models for a mean, seven for a correlation, for a slope six more than families; a difference has as many as its
smaller group has models. Fewer, drawn again and again, show too little of what others are like."""
_BLOCK = 500
_SEED = 0
# A number may not exist in a draw: a correlation does not when one model was drawn again and again.
_MOST_UNDEFINED = 0.05

Numbers = NDArray[np.float64]
Statistic = Callable[[Numbers], Numbers]
"""From weights, draws × models, to numbers, draws × C; NaN where a draw does not determine them."""


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
    names: Sequence[str], unit: str, statistic: Statistic, strata: NDArray[np.integer], degrees: int
) -> list[Estimate]:
    """C numbers of the same models, with expanded percentile intervals (`statistics.expanded_tail`).

    Args:
        names: C.
        unit: of all of them.
        statistic: what is estimated.
        strata: models, the group among which each is drawn.
        degrees: of freedom that the statistic leaves.
    """
    models = len(strata)
    values = statistic(np.ones((1, models)))[0] if models else np.full(len(names), np.nan)
    low = high = [None] * len(names)
    missing = None
    if degrees < MINIMUM_DEGREES:
        missing = f"more models needed: {MINIMUM_DEGREES - degrees}"
    elif not np.isfinite(values).all():
        missing = "all models alike"
    else:
        rng = np.random.default_rng(_SEED)
        draws = np.concatenate([statistic(_times_drawn(rng, strata)) for _ in range(0, RESAMPLES, _BLOCK)])
        defined = np.isfinite(draws).all(axis=1)
        if defined.mean() < 1 - _MOST_UNDEFINED:
            missing = "hangs on one or two models"
        else:
            tail = expanded_tail(degrees + 1)
            low, high = np.quantile(draws[defined], [tail, 1 - tail], axis=0).tolist()
    return [
        Estimate(name, unit, models, float(value) if np.isfinite(value) else None, least, most, missing)
        for name, value, least, most in zip(names, values, low, high, strict=True)
    ]


def _times_drawn(rng: np.random.Generator, strata: NDArray[np.integer]) -> Numbers:
    """How often each draw holds each model, as many of a stratum as it has: draws × models."""
    times = np.empty((_BLOCK, len(strata)))
    for stratum in np.unique(strata):
        (members,) = np.nonzero(strata == stratum)
        times[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=_BLOCK)
    return times


def mean(name: str, unit: str, values: ArrayLike) -> Estimate:
    """Mean over models of a value each, models."""
    numbers = np.asarray(values, np.float64)
    (estimate,) = over_models(
        [name],
        unit,
        lambda weights: (weights @ numbers / weights.sum(axis=1))[:, None],
        np.zeros(len(numbers), int),
        len(numbers) - 1,
    )
    return estimate


def difference(name: str, unit: str, values: ArrayLike, first: ArrayLike) -> Estimate:
    """Mean of the models in the first group minus mean of the others.

    Each group is drawn by itself. The degrees of freedom, models of the smaller group, lie between the least and the
    most that Welch's t test can have.

    Args:
        name: what it is of.
        unit: of the values.
        values: models.
        first: models, whether the model is in the first group.
    """
    numbers, strata = np.asarray(values, np.float64), np.asarray(first, int)
    # Column 0 takes the mean of the others, column 1 that of the first group.
    groups = np.stack([1 - strata, strata], axis=1)

    def statistic(weights: Numbers) -> Numbers:
        with np.errstate(invalid="ignore"):
            means = (weights * numbers) @ groups / (weights @ groups)
        return means[:, 1:] - means[:, :1]

    (estimate,) = over_models([name], unit, statistic, strata, int(groups.sum(axis=0).min()))
    return estimate


def slope(name: str, unit: str, values: ArrayLike, years: ArrayLike, family: ArrayLike) -> Estimate:
    """Change of the value a year by least squares, each family with a level of its own (fixed effects).

    Families whose models are all of one date say nothing about it, and are left out.

    Args:
        name: what it is of.
        unit: of the value, a year.
        values: models.
        years: models, the release date.
        family: models.
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

    def statistic(weights: Numbers) -> Numbers:
        size = np.maximum(weights @ belongs, 1)
        sum_x, sum_y = weights @ (belongs * x[:, None]), weights @ (belongs * y[:, None])
        spread = weights @ (x * x) - (sum_x**2 / size).sum(axis=1)
        together = weights @ (x * y) - (sum_x * sum_y / size).sum(axis=1)
        return np.where(spread > least, together / np.where(spread > least, spread, 1), np.nan)[:, None]

    fitted = int(belongs.any(axis=0).sum()) + 1
    (estimate,) = over_models([name], unit, statistic, np.zeros(len(x), int), len(x) - fitted)
    return estimate


def rank_correlation(name: str, x: ArrayLike, y: ArrayLike, model: ArrayLike | None = None) -> Estimate:
    """Spearman's ρ; the interval draws models, each with all its points.

    Args:
        name: what it is of.
        x: points.
        y: points.
        model: points, the model each is of. Without it, every point is a model.
    """
    points = np.asarray(x, np.float64), np.asarray(y, np.float64)
    _, member = np.unique(np.arange(len(points[0])) if model is None else np.asarray(model), return_inverse=True)
    models = len(np.unique(member))
    (estimate,) = over_models(
        [name],
        "Spearman's ρ",
        lambda weights: spearman(weights[:, member], *points)[:, None],
        np.zeros(models, int),
        models - 2,
    )
    return estimate


def spearman(weights: Numbers, x: Numbers, y: Numbers) -> Numbers:
    """Spearman's ρ of points that count several times each: Pearson's r of their mid-ranks.

    Args:
        weights: draws × points, whole numbers.
        x: points.
        y: points.

    Returns:
        Draws; NaN where all x or all y that count are equal.
    """
    size = weights.sum(axis=1, keepdims=True)
    # The mean of mid-ranks is (size + 1)/2, whatever the ties.
    rank_x, rank_y = (_mid_ranks(weights, column) - (size + 1) / 2 for column in (x, y))
    products = [
        (weights * first * second).sum(axis=1) for first, second in ((rank_x, rank_y), (rank_x,) * 2, (rank_y,) * 2)
    ]
    varied = (products[1] > 0) & (products[2] > 0)
    return np.where(varied, products[0] / np.sqrt(np.where(varied, products[1] * products[2], 1)), np.nan)


def _mid_ranks(weights: Numbers, values: Numbers) -> Numbers:
    order = np.argsort(values, kind="stable")
    _, start, place = np.unique(values[order], return_index=True, return_inverse=True)
    tied = np.add.reduceat(weights[:, order], start, axis=1)
    ranks = np.empty_like(weights)
    ranks[:, order] = (tied.cumsum(axis=1) - (tied - 1) / 2)[:, place]
    return ranks
