"""What decides how early tokens exit: the model, the workload, their combination, or the prompt?

The mean depth of a prompt, y, is taken as a sum of random effects that are crossed, every model on every workload, as
far as it was measured:

    y = mean + model + workload + model × workload + prompt

Half the mean squared difference of two prompts estimates the sum of the variances in which they differ. So four kinds
of pairs give the four variances, however unbalanced the table is. These symmetric sums of differences (Koch, Some
further remarks concerning "A general approach to the estimation of variance components", Technometrics 10, 1968) are
moment estimators: unbiased, and in a balanced table equal to the classical ones from mean squares.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmark.report.findings.estimates import Estimate, Numbers, numbered, over_models

COMPONENTS = ("model", "workload", "model × workload", "prompt")
BALANCE = "model less workload and model × workload"
UNIT = "share of the variance"


@dataclass(frozen=True)
class Sums:
    """A sum over pairs of prompts, by the lineages of the models that they were put to."""

    one_model: Numbers
    """Lineages: pairs of one of its models."""
    one_lineage: Numbers
    """Lineages: pairs of two of its models."""
    two_lineages: Numbers
    """Lineages × lineages: pairs of two models, one of either; 0 on the diagonal."""

    @classmethod
    def of_models(cls, sums: Numbers, of_lineage: Numbers) -> "Sums":
        """From models × models, those of one model on the diagonal, and models × lineages, 1 for the model's own."""
        together, one_model = of_lineage.T @ sums @ of_lineage, np.diag(sums) @ of_lineage
        return cls(one_model, np.diag(together) - one_model, together - np.diag(np.diag(together)))

    def within(self, weights: Numbers) -> Numbers:
        """Over pairs of one model: draws."""
        return weights @ self.one_model

    def across(self, weights: Numbers) -> Numbers:
        """Over pairs of two models: draws. Two copies of a lineage are no pair, for they would differ in nothing."""
        return ((weights @ self.two_lineages) * weights).sum(axis=1) + weights @ self.one_lineage


@dataclass(frozen=True)
class Pairs:
    """Halves of squared differences between prompts. A pair of cells, (model, workload), counts as one, however many
    prompts they have."""

    same_workload: Sums
    """Over the workloads that both have. The same prompt put to two models is not compared with itself: what it does
    to both would pass for the workload's part."""
    same_workload_cells: Sums
    """Pairs of cells in that sum."""
    other_workload: Sums
    """Over two different workloads."""
    other_workload_cells: Sums
    """Pairs of cells in that sum."""


def variance_shares(depths: pd.DataFrame, lineage: pd.Series | None = None) -> tuple[list[Estimate], list[str]]:
    """How the variance of depth splits.

    Args:
        depths: one row a prompt, with the columns `model`, `workload`, `prompt` (its number within the workload) and
            `depth`, its tokens' mean of exit layer / L.
        lineage: of models, by their names. Without it, each is of its own.

    Returns:
        The share of each of `COMPONENTS`, then `BALANCE`, the model's share minus those of workload and of
        model × workload; and the components that came out negative, which count as 0.
    """
    names = [*COMPONENTS, BALANCE]
    models, workloads = depths["model"].nunique(), depths["workload"].nunique()
    if models < 2 or workloads < 2:
        missing = f"needs two models and two workloads, here are {models} and {workloads}"
        return [Estimate(name, UNIT, models, None, missing=missing) for name in names], []
    found = pairs(depths, lineage)
    lineages = len(found.same_workload.one_model)

    def statistic(weights: Numbers) -> Numbers:
        parts = np.maximum(components(found, weights), 0)
        total = parts.sum(axis=1, keepdims=True)
        shares = np.divide(parts, total, out=np.full_like(parts, np.nan), where=total > 0)
        return np.column_stack([shares, shares[:, 0] - shares[:, 1] - shares[:, 2]])

    shares = over_models(names, UNIT, models, statistic, [lineages], lineages - 1)
    if shares[0].value is None:
        shares = [replace(share, missing="no two prompts of a case, or no difference between any") for share in shares]
    negative = components(found, np.ones((1, lineages)))[0] < 0
    return shares, [name for name, below in zip(COMPONENTS, negative, strict=True) if below]


def components(found: Pairs, weights: Numbers) -> Numbers:
    """The four variances, in the order of `COMPONENTS`; unbiased, so one that is near 0 can come out negative.

    Args:
        found: from `pairs`.
        weights: draws × lineages, how often each lineage counts, in alphabetical order.

    Returns:
        Draws × 4; NaN where a kind of pair is not there.
    """
    same, other = (found.same_workload, found.same_workload_cells), (found.other_workload, found.other_workload_cells)
    prompt, one_model = (_ratio(sums.within(weights), cells.within(weights)) for sums, cells in (same, other))
    one_workload, neither = (_ratio(sums.across(weights), cells.across(weights)) for sums, cells in (same, other))
    # Two prompts of nothing in common differ in all four; of one model, not in the model; and so on.
    model, workload = neither - one_model, neither - one_workload
    both = neither - model - workload - prompt
    return np.stack([model, workload, both, prompt], axis=1)


def pairs(depths: pd.DataFrame, lineage: pd.Series | None = None) -> Pairs:
    """Compare every prompt with every other; arguments as of `variance_shares`."""
    models = sorted(depths["model"].unique())
    same = np.zeros((len(models), len(models)))
    same_cells, same_of_all = same.copy(), same.copy()
    cells, means, squares = [], [], []
    for _, rows in depths.groupby("workload"):
        table = rows.pivot(index="model", columns="prompt", values="depth").reindex(models).to_numpy(np.float64)
        known = ~np.isnan(table)
        there = known.astype(np.float64)
        # About the overall mean, because differences of squares of numbers close to it would lose digits.
        table = np.where(known, table - depths["depth"].mean(), 0.0)
        size, total, square = there.sum(axis=1), table.sum(axis=1), (table**2).sum(axis=1)
        every_pair = np.outer(square, size) + np.outer(size, square) - 2 * np.outer(total, total)
        same_prompt = table**2 @ there.T + there @ (table**2).T - 2 * table @ table.T
        count = np.outer(size, size) - there @ there.T
        same += _ratio((every_pair - same_prompt) / 2, count, otherwise=0.0)
        same_cells += count > 0

        cell, mean, mean_square = size > 0, total / np.maximum(size, 1), square / np.maximum(size, 1)
        same_of_all += (np.outer(mean_square, cell) + np.outer(cell, mean_square)) / 2 - np.outer(mean, mean)
        cells.append(cell)
        means.append(mean)
        squares.append(mean_square)
    cell, mean, mean_square = np.stack(cells, axis=1).astype(float), np.sum(means, axis=0), np.sum(squares, axis=0)
    number = cell.sum(axis=1)
    of_all = (np.outer(mean_square, number) + np.outer(number, mean_square)) / 2 - np.outer(mean, mean)
    sums = (same, same_cells, of_all - same_of_all, np.outer(number, number) - cell @ cell.T)
    member, lineages = numbered(None if lineage is None else lineage[models], len(models))
    of_lineage = np.eye(lineages)[member]
    return Pairs(*(Sums.of_models(some, of_lineage) for some in sums))


def _ratio(sums: Numbers, counts: Numbers, otherwise: float = np.nan) -> Numbers:
    # Half a count, because counts of pairs come out of sums of products and need not be exactly 0.
    return np.divide(sums, counts, out=np.full_like(sums, otherwise), where=counts > 0.5)
