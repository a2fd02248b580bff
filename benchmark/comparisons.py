"""What models have in common that gain much or little: their generation, kind, size, tuning, training and EAS.

Every number is over models, from the rows of `comparable.comparable`, with an interval where they are enough.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from benchmark.comparable import levels
from benchmark.estimates import Estimate, difference, mean, rank_correlation, slope, spearman

MEASURES = {"skip_ratio": "skip ratio", "eas": "EAS"}
BOUNDS = ("speedup_bound_layers", "speedup_bound_head", "speedup_bound_kv")
LARGE = 20e9
"""Parameters above which the study calls a model large."""
TUNED = ("instruct", "distilled")
"""Stages that follow on a base model; further pre-training (`continued`) makes another base model."""


def table_of_models(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a model: its facts, `years` of its release, and its level (`comparable.levels`) of every number."""
    facts = ["source", "family", "released", "architecture", "stage", "parameters"]
    models = rows.sort_values("started", kind="stable").groupby("model")[facts].last()
    rows = rows.assign(above_chance=rows["skip_ratio"] - rows["skip_ratio_chance"])
    for column in (*MEASURES, *BOUNDS, "above_chance"):
        models[column] = levels(rows, column)
    return models.assign(years=models["released"].map(years))


def years(released: str) -> float:
    """A release date in years; a month or a year stands for its middle. NaN for what is no date."""
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
        return difference(f"dense minus {name}", unit, some[measure], some["architecture"].eq("dense"))

    sized = known.dropna(subset=["parameters"])
    pairs = base_and_tuned(rows)
    more = (pairs[f"{measure}_of_base"] - pairs[measure]).groupby([pairs["base"], pairs["model"]]).mean()
    return [
        _trend(known, measure, "change a year, within family and kind"),
        dense_minus("mixture-of-experts", ["moe"]),
        dense_minus("state-space and hybrid", ["ssm", "hybrid"]),
        difference("above minus below 20 B parameters", unit, sized[measure], sized["parameters"] > LARGE),
        # Two models tuned from one base are not independent, so they count as one.
        mean("base minus tuned, mean over base models", unit, more.groupby(level="base").mean().dropna()),
    ]


def _lines(models: pd.DataFrame) -> pd.Series:
    """Family and kind, within which generations are compared: a family that turns to experts is no new generation."""
    return models["family"] + " " + models["architecture"]


def _trend(models: pd.DataFrame, measure: str, name: str) -> Estimate:
    dated = models[models["years"].notna() & models["family"].ne("") & models[measure].notna()]
    return slope(name, f"{MEASURES[measure]} a year", dated[measure], dated["years"], _lines(dated))


def trends(models: pd.DataFrame) -> list[Estimate]:
    """Of each family and kind with two dates or more, in every measure."""
    dated = models[models["years"].notna() & models["family"].ne("")]
    groups = [(line, some) for line, some in dated.groupby(_lines(dated)) if some["years"].nunique() > 1]
    return [_trend(some, measure, str(line)) for line, some in groups for measure in MEASURES]


def base_and_tuned(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of tuned models, each with its `base` and, as `…_of_base`, that model's numbers on the same workload in
    the same dtype. Tuned models whose base was not measured so are not in it."""
    tuned = rows[rows["stage"].isin(TUNED) & rows["base_model"].ne("")]
    tuned = tuned.assign(base="hub:" + tuned["base_model"])
    bases = rows[["source", "workload", "dtype", *MEASURES]].rename(columns={"source": "base"})
    return tuned.merge(bases, on=["base", "workload", "dtype"], suffixes=("", "_of_base"))


def correlation(models: pd.DataFrame, x: str, y: str) -> Estimate:
    """Rank correlation of two columns of `table_of_models`."""
    known = models.dropna(subset=[x, y])
    return rank_correlation(f"{_words(x)} and {_words(y)}, over models", known[x], known[y])


def predictions(rows: pd.DataFrame, models: pd.DataFrame) -> list[Estimate]:
    """Rank correlation of EAS with skip ratio and bounds, over models and over rows."""
    estimates = []
    for column in ("skip_ratio", *BOUNDS):
        known = rows.dropna(subset=["eas", column])
        name = f"EAS and {_words(column)}, over rows"
        estimates += [
            correlation(models, "eas", column),
            rank_correlation(name, known["eas"], known[column], known["model"]),
        ]
    return estimates


def _words(column: str) -> str:
    return MEASURES.get(column, column)


def above_chance(models: pd.DataFrame) -> Estimate:
    """How much more layers are skipped than by accident."""
    return mean("mean above chance", "skip ratio", models["above_chance"].dropna())


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
        mean(name, unit, models.loc[group, measure].dropna())
        for name, group in groups.items()
        if group.any()
        for measure, unit in MEASURES.items()
    ]


def training(checkpoints: pd.DataFrame) -> list[Estimate]:
    """Rank correlation with the training step, within each model of three checkpoints or more, and their mean."""
    estimates = []
    for measure, unit in MEASURES.items():
        within = {}
        for entry, rows in checkpoints.groupby("entry"):
            level = levels(rows, measure, of="training_step")
            if len(level) > 2:
                (rho,) = spearman(np.ones((1, len(level))), level.index.to_numpy(float), level.to_numpy(float))
                within[f"{entry}, {len(level)} checkpoints"] = float(rho)
        name, alone = f"training step and {unit}", "a single model"
        estimates += [
            Estimate(f"{name}, {entry}", "Spearman's ρ", 1, rho if np.isfinite(rho) else None, missing=alone)
            for entry, rho in within.items()
        ]
        estimates.append(
            mean(f"{name}, mean over models", "Spearman's ρ", [r for r in within.values() if np.isfinite(r)])
        )
    return estimates
