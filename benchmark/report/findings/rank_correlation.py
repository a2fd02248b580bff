"""Rank correlations over models, with intervals, fast enough for thousands of models and ten thousand draws of them."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from benchmark.report.findings.estimates import (
    Estimate,
    Indices,
    Numbers,
    Statistic,
    numbered,
    over_models,
    weighted_sum,
)


def rank_correlations(
    names: Sequence[str], x: ArrayLike, others: Sequence[ArrayLike], lineage: ArrayLike | None, models: int
) -> list[Estimate]:
    """Spearman's ρ of one quantity with each of C others; the intervals draw lineages, each with all its points.

    Args:
        names: C.
        x: points.
        others: C × points.
        lineage: points. Without it, each is of its own.
        models: number of models that the points are of.
    """
    points, columns = np.asarray(x, np.float64), np.asarray(others, np.float64)
    member, lineages = numbered(lineage, len(points))
    return over_models(names, "Spearman's ρ", models, spearman(points, columns, member), [lineages], lineages - 2)


def spearman(x: Numbers, others: Numbers, member: Indices) -> Statistic:
    """Spearman's ρ of points that count several times each: Pearson's r of their mid-ranks.

    Args:
        x: points.
        others: C × points.
        member: points, number of the lineage each is of.

    Returns:
        From weights, draws × lineages, whole numbers, to draws × C; NaN where all x, or all of the other, that count
        are equal.
    """
    lineages = len(np.unique(member))
    of_x, *of_others = (_Ascending(values, member, lineages) for values in (x, *others))
    # Some quantities put the points in one order, as the skip ratio of a row and its bound that counts layers do.
    same = [next(n for n, one in enumerate(of_others) if one.points == other.points) for other in of_others]
    lineage = member.tolist()

    def statistic(weights: Numbers) -> Numbers:
        # Lineages × draws: then each step of the loops works on neighbours in memory, as many as there are draws.
        halves = np.ascontiguousarray(weights.T) / 2
        cubes = (2 * halves) * (2 * halves) * (2 * halves)
        middle = weighted_sum(np.bincount(member, minlength=lineages), halves)
        weighted = np.empty((len(x), len(weights)))
        # The ranks of one of the two are about their mean; then those of the other need not be.
        for points, rank in of_x.mid_ranks(halves, -middle):
            for point in points:
                np.multiply(rank, halves[lineage[point]], out=weighted[point])
        found, product = {}, np.empty(len(weights))
        for number in {*same}:
            together = np.zeros(len(weights))
            for points, rank in of_others[number].mid_ranks(halves, np.zeros(len(weights))):
                for point in points:
                    together += np.multiply(weighted[point], rank, out=product)
            # 12 × the sum of squares of mid-ranks about their mean is N³ − Σt³, t the numbers of points that are tied
            # (Kendall, Rank Correlation Methods, ch. 3).
            spreads = [(2 * middle) ** 3 - one.ties(halves, cubes) for one in (of_x, of_others[number])]
            squares = spreads[0] * spreads[1]
            with np.errstate(divide="ignore", invalid="ignore"):
                found[number] = np.where(squares > 0, 24 * together / np.sqrt(squares), np.nan)
        return np.stack([found[number] for number in same], axis=1)

    return statistic


class _Ascending:
    """Points in ascending order of their values, those of one value together."""

    def __init__(self, values: Numbers, member: Indices, lineages: int) -> None:
        order = np.argsort(values, kind="stable")
        (last,) = np.nonzero(np.diff(values[order]))
        self.points = [points.tolist() for points in np.split(order, last + 1)]
        """The points of each value."""
        self._lineages = [member[points].tolist() for points in self.points]
        alone = [points[0] for points in self.points if len(points) == 1]
        self._alone = np.bincount(member[alone], minlength=lineages)

    def mid_ranks(self, halves: Numbers, before: Numbers) -> Iterator[tuple[list[int], Numbers]]:
        """The points of each value with their mid-rank less ½: the points before, and half of those that are tied.

        Args:
            halves: lineages × draws, half the weights.
            before: draws, what to begin with; changed.

        Yields:
            Points, and their rank, draws; it holds until the next one is asked for.
        """
        for points, lineages in zip(self.points, self._lineages, strict=True):
            half = halves[lineages[0]] if len(lineages) == 1 else halves[lineages].sum(axis=0)
            before += half
            yield points, before
            before += half

    def ties(self, halves: Numbers, cubes: Numbers) -> Numbers:
        """Sum over values of the cube of how many points have it: draws. `cubes` are of the weights, as `halves`."""
        tied = weighted_sum(self._alone, cubes)
        for lineages in self._lineages:
            if len(lineages) > 1:
                tied += (2 * halves[lineages].sum(axis=0)) ** 3
        return tied
