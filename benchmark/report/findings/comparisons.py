"""What models have in common that gain much or little: their generation, kind, size, tuning, training and EAS.

Every number is over models, from the rows of `comparable.comparable`, with an interval where they are enough.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from benchmark.report.findings.estimates import Estimate, difference, mean, slope
from benchmark.report.findings.levels import base_sources, levels
from benchmark.report.findings.rank_correlation import rank_correlations, spearman
from benchmark.results.row import DECLARED

MEASURES = {name: DECLARED[name].title for name in ("skip_ratio", "eas")}
"""What gain is compared in, and its title."""
BOUNDS = ("speedup_bound_layers", "speedup_bound_head", "speedup_bound_kv")
HAD = ("gate_speed_99", "speedup_speculation")
"""What can be had of it: by the best gate that is to keep 99 % of the tokens, and by self-speculation."""
GENERATIONS = "change a year, within family and kind"
SIZE = "change for ten times the parameters"
LARGE = 20e9
"""Parameters above which the study calls a model large."""
BASE = ("base", "continued")
"""Stages of a base model; further pre-training (`continued`) makes another one."""
TUNED = ("instruct", "distilled")
"""Stages that follow on a base model."""


def table_of_models(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a model: its facts, `years` of its release, and its level (`comparable.levels`) of every number."""
    facts = [
        *("source", "revision", "dtype", "family", "released", "architecture", "stage", "parameters", "lineage"),
    ]
    models = rows.sort_values("started", kind="stable").groupby("model")[facts].last()
    rows = rows.assign(above_chance=rows["skip_ratio"] - rows["skip_ratio_chance"], found=rows["gate_found_99"] - 0.5)
    for column in (*MEASURES, *BOUNDS, *HAD, "above_chance", "found"):
        models[column] = levels(rows, column)
    return models.assign(years=models["released"].map(years))


def years(released: str) -> float:
    """A release date in years; a month or a year stands for its middle. NaN for what is not a date."""
    for form, middle in (("%Y-%m-%d", 0), ("%Y-%m", 15), ("%Y", 183)):
        try:
            return 1 + (datetime.strptime(released, form).toordinal() - 1 + middle) / 365.2425
        except ValueError:
            continue
    return float("nan")


def comparisons(models: pd.DataFrame, rows: pd.DataFrame, measure: str) -> list[Estimate]:
    """Five: by generation, mixtures of experts, recurrence, size and tuning."""
    unit, known = MEASURES[measure], models.dropna(subset=[measure])

    def dense_minus(name: str, kinds: Sequence[str]) -> Estimate:
        some = known[known["architecture"].isin(["dense", *kinds])]
        dense = some["architecture"].eq("dense")
        return difference(f"dense minus {name}", unit, some[measure], dense, some["lineage"])

    sized = of_sizes(models, measure)
    pairs = base_and_tuned(rows)
    more = (pairs[f"{measure}_of_base"] - pairs[measure]).groupby([pairs["base"], pairs["model"]]).mean()
    more = more.groupby(level="base").mean().dropna()
    lineage = pairs.groupby("base")["lineage"].first()[more.index]
    return [
        _trend(known, measure, GENERATIONS),
        dense_minus("mixture-of-experts", ["moe"]),
        dense_minus("state-space and hybrid", ["ssm", "hybrid"]),
        difference(
            "above minus below 20 B parameters", unit, sized[measure], sized["parameters"] > LARGE, sized["lineage"]
        ),
        mean("base minus tuned, mean over base models", unit, more, lineage),
    ]


def _lines(models: pd.DataFrame) -> pd.Series:
    """Family and kind, within which generations are compared: a family that turns to experts is no new generation."""
    return models["family"] + " " + models["architecture"]


def of_generations(models: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return the models that tell of generations: dated, of families and kinds with two dates or more. With `line`."""
    dated = models[models["years"].notna() & models["family"].ne("") & models[measure].notna()]
    dated = dated.assign(line=_lines(dated))
    return dated[dated.groupby("line")["years"].transform("nunique") > 1]


def of_sizes(models: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return the models that tell of size: those whose parameters are known."""
    return models[models[measure].notna() & (models["parameters"] > 0)]


def _trend(models: pd.DataFrame, measure: str, name: str) -> Estimate:
    dated = of_generations(models, measure)
    unit = f"{MEASURES[measure]} a year"
    return slope(name, unit, dated[measure], dated["years"], dated["line"], dated["lineage"])


def trends(models: pd.DataFrame) -> list[Estimate]:
    """Of each family and kind with two dates or more, in every measure."""
    return [
        _trend(some, measure, str(line))
        for line in sorted({line for measure in MEASURES for line in of_generations(models, measure)["line"]})
        for measure in MEASURES
        for some in (models[_lines(models).eq(line)],)
    ]


def larger(models: pd.DataFrame, measure: str) -> Estimate:
    """Return the change of a measure for each tenfold of parameters, over all models together."""
    sized = of_sizes(models, measure)
    unit, tenfold = f"{MEASURES[measure]} a decade", np.log10(sized["parameters"])
    return slope(SIZE, unit, sized[measure], tenfold, np.zeros(len(sized)), sized["lineage"])


def base_and_tuned(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of tuned models, each with its `base` and, as `…_of_base`, that model's numbers on the same workload in
    the same dtype. Tuned models whose base was not measured so, or was tuned itself, are not in it."""
    tuned = rows[rows["stage"].isin(TUNED) & rows["base_model"].ne("")]
    tuned = tuned.assign(base=base_sources(rows)[tuned.index])
    bases = rows.loc[rows["stage"].isin(BASE), ["source", "workload", "dtype", *MEASURES]]
    bases = bases.rename(columns={"source": "base"})
    return tuned.merge(bases, on=["base", "workload", "dtype"], suffixes=("", "_of_base"))


def correlation(models: pd.DataFrame, x: str, y: str) -> Estimate:
    """Rank correlation of two columns of `table_of_models`."""
    (estimate,) = _correlations(models, models.index.to_series(), x, [y], "over models")
    return estimate


def predictions(rows: pd.DataFrame, models: pd.DataFrame) -> list[Estimate]:
    """Rank correlation of EAS with skip ratio, bounds and what can be had, over models and over rows."""
    columns = ("skip_ratio", *BOUNDS, *HAD)
    over_models = _correlations(models, models.index.to_series(), "eas", columns, "over models")
    over_rows = _correlations(rows, rows["model"], "eas", columns, "over rows")
    return [estimate for both in zip(over_models, over_rows, strict=True) for estimate in both]


def _correlations(table: pd.DataFrame, model: pd.Series, x: str, columns: Sequence[str], over: str) -> list[Estimate]:
    """Rank correlations of one column with others, over the rows that have both."""
    known = {column: table[x].notna() & table[column].notna() for column in columns}
    found: dict[str, Estimate] = {}
    for column in columns:
        if column not in found:
            # Together, because most of the work is the same.
            alike = [other for other in columns if known[other].equals(known[column])]
            some = table[known[column]]
            names = [f"{_words(x)} and {_words(other)}, {over}" for other in alike]
            models = model[known[column]].nunique()
            estimates = rank_correlations(names, some[x], [some[other] for other in alike], some["lineage"], models)
            found |= zip(alike, estimates, strict=True)
    return [found[column] for column in columns]


def _words(column: str) -> str:
    return MEASURES.get(column, column)


def above_chance(models: pd.DataFrame) -> Estimate:
    """How much more layers are skipped than by accident."""
    known = models.dropna(subset=["above_chance"])
    return mean("mean above chance", "skip ratio", known["above_chance"], known["lineage"])


def exits_found(models: pd.DataFrame) -> Estimate:
    """By how much real gates find more than one half of the oracle's exits."""
    known = models.dropna(subset=["found"])
    name = "mean share of the oracle's early exits that the best gate at 99 % takes, less one half"
    return mean(name, "share of tokens", known["found"], known["lineage"])


def means(models: pd.DataFrame) -> list[Estimate]:
    """Of the groups that the comparisons compare, in every measure."""
    groups = {
        "dense": models["architecture"].eq("dense"),
        "mixture-of-experts": models["architecture"].eq("moe"),
        "state-space": models["architecture"].eq("ssm"),
        "hybrid": models["architecture"].eq("hybrid"),
        "above 20 B parameters": models["parameters"] > LARGE,
        "up to 20 B parameters": models["parameters"] <= LARGE,
    }
    return [
        mean(name, unit, known[measure], known["lineage"])
        for name, group in groups.items()
        if group.any()
        for measure, unit in MEASURES.items()
        for known in (models[group].dropna(subset=[measure]),)
    ]


def training(checkpoints: pd.DataFrame) -> list[Estimate]:
    """Rank correlation with the training step, within each model of three checkpoints or more, and their mean."""
    estimates = []
    for measure, unit in MEASURES.items():
        within = {}
        for entry, rows in checkpoints.groupby("entry"):
            level = levels(rows, measure, of="training_step")
            if len(level) > 2:
                points = np.arange(len(level))
                statistic = spearman(level.index.to_numpy(float), level.to_numpy(float)[None], points)
                within[f"{entry}, {len(level)} checkpoints"] = float(statistic(np.ones((1, len(level))))[0, 0])
        name, alone = f"training step and {unit}", "a single model"
        estimates += [
            Estimate(f"{name}, {entry}", "Spearman's ρ", 1, rho if np.isfinite(rho) else None, missing=alone)
            for entry, rho in within.items()
        ]
        estimates.append(
            mean(f"{name}, mean over models", "Spearman's ρ", [r for r in within.values() if np.isfinite(r)])
        )
    return estimates
