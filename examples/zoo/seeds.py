"""Do variants differ by more than seeds do? Each against the dense model, with intervals over seeds."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import hmean, ttest_ind, ttest_rel

from benchmark.report.findings.comparable_rows import Comparable, comparable, read
from benchmark.report.tradeoff import DECODING_STUDY
from benchmark.results.comparable import STUDY
from benchmark.results.row import DECLARED

REFERENCE = "dense"
MEASURES: Mapping[str, str] = {
    "skip_ratio": "oracle: skip ratio",
    "above_chance": "oracle: skip ratio above chance",
    "eas": "EAS",
    "gate_skip_ratio_99": "best gate at 99 %: skip ratio",
    "gate_speed_99": "best gate at 99 %: speedup",
    "speedup_speculation": "self-speculation: speedup",
    "decoded_skip_ratio": "early-exit decoding: skip ratio",
    "decoded_same_until": "early-exit decoding: text unchanged",
}
"""What is compared, and its title."""
_OF_THE_ORACLE = (
    *("skip_ratio", "skip_ratio_chance", "above_chance", "eas"),
    *("gate_skip_ratio_99", "gate_speed_99", "speedup_speculation"),
)
_TUNED = "instruct"
BEYOND = "beyond the spread over seeds"
_NO_SPREAD = 1e-9
"""Differences between seeds that are rounding only."""


def variant_and_seed(model: str) -> tuple[str, str]:
    """Return the variant that a model, or one of its checkpoints, is of, and its seed."""
    variant, _, seed = model.split("@")[0].rpartition("-s")
    return variant, seed


def rows_of_oracle(results: Path) -> Comparable:
    """Return the rows of the oracle study that may be compared, with `variant`, `seed` and `above_chance`.

    Raises:
        InputError: there are no rows.
    """
    return _named(results, STUDY)


def rows_of_decoding(results: Path) -> Comparable:
    """Return the same of early-exit decoding: rules that can be built, which the oracle is not.

    Raises:
        InputError: there are no rows.
    """
    return _named(results, DECODING_STUDY)


def _named(results: Path, study: str) -> Comparable:
    table, _ = read(results)
    table = table[table["suite"].eq(study) & table["gate"].ne("oracle")]
    names = [variant_and_seed(name) for name in table["model"]]
    above_chance = table["skip_ratio"] - table["skip_ratio_chance"]
    named = comparable(table, study)
    added = pd.DataFrame(names, columns=["variant", "seed"], index=table.index).assign(above_chance=above_chance)
    return Comparable(named.rows.join(added), named.checkpoints.join(added), named.left_out, named.notes)


def final_models(results: Path) -> pd.DataFrame:
    """Return a line a model, at its final checkpoint: `variant`, `seed`, `tuned`, its measures, `skip_ratio_chance`.

    Each is the mean over workloads, harmonic of speedups; where a model lacks a workload that another has, there is
    none.

    Raises:
        InputError: there are no rows.
    """
    oracle, decoded = rows_of_oracle(results).rows, rows_of_decoding(results).rows
    facts = oracle.assign(tuned=oracle["stage"].eq(_TUNED)).groupby("model")[["variant", "seed", "tuned"]].first()
    measured = {name: _over_workloads(oracle, name) for name in _OF_THE_ORACLE}
    measured |= {f"decoded_{name}": _over_workloads(decoded, name) for name in ("skip_ratio", "same_until")}
    return facts.join(pd.DataFrame(measured))


def _over_workloads(rows: pd.DataFrame, column: str) -> pd.Series:
    # Several rules of a workload, if there are, count as one.
    of_workload = rows.pivot_table(index="model", columns="workload", values=column, aggfunc="mean", dropna=False)
    if column in DECLARED and DECLARED[column].mean == "harmonic":
        return pd.Series(hmean(of_workload.astype(float), axis=1), index=of_workload.index)
    return of_workload.mean(axis=1, skipna=False)


def differences(models: pd.DataFrame) -> pd.DataFrame:
    """Return one line for each other variant than the dense one and each measure.

    Columns: `variant`, `measure`, `difference` of the means over seeds to the dense one's, `low` and `high` of its 95 %
    interval over seeds, and how many `seeds` and `dense_seeds`. The interval is Welch's; of tuned models, which begin
    with the weights of the dense one of their seed, it is that of the paired differences. It is NaN where either has
    one seed only, or no seed differs from another.

    Args:
        models: of `final_models`.
    """
    dense = models[models["variant"].eq(REFERENCE)]
    lines = []
    for name, variant in models[models["variant"].ne(REFERENCE)].groupby("variant"):
        for measure in MEASURES:
            seeds, dense_seeds = (some.set_index("seed")[measure].dropna().sort_index() for some in (variant, dense))
            if len(seeds) and len(dense_seeds):
                difference, low, high = _difference(seeds, dense_seeds, bool(variant["tuned"].all()))
                lines.append((name, measure, difference, low, high, len(seeds), len(dense_seeds)))
    return pd.DataFrame(
        lines, columns=["variant", "measure", "difference", "low", "high", "seeds", "dense_seeds"]
    )  # fmt: skip


def _difference(seeds: "pd.Series[float]", dense_seeds: "pd.Series[float]", paired: bool) -> tuple[float, float, float]:
    if paired:
        dense_seeds = dense_seeds.reindex(seeds.index).dropna()
        seeds = seeds[dense_seeds.index]
    difference = float(seeds.mean() - dense_seeds.mean())
    spread = np.ptp(seeds - dense_seeds) if paired else max(np.ptp(seeds), np.ptp(dense_seeds))
    if min(len(seeds), len(dense_seeds)) < 2 or spread < _NO_SPREAD:
        return difference, float("nan"), float("nan")
    test = ttest_rel(seeds, dense_seeds) if paired else ttest_ind(seeds, dense_seeds, equal_var=False)
    interval = test.confidence_interval(0.95)
    return difference, float(interval.low), float(interval.high)


def verdicts(differences: pd.DataFrame) -> list[str]:
    """Return a verdict for each line: whether its interval excludes zero."""
    return [
        "no interval" if pd.isna(low) else BEYOND if low > 0 or high < 0 else "within it"
        for low, high in zip(differences["low"], differences["high"], strict=True)
    ]


def as_text(differences: pd.DataFrame) -> str:
    """Return the lines as text, each with its verdict."""
    if differences.empty:
        return f"over seeds: nothing to compare; measure '{REFERENCE}' and another variant"
    titles = differences["measure"].map(dict(MEASURES))
    shown = differences.assign(measure=titles, **{f"minus {REFERENCE}": verdicts(differences)})
    return shown.to_string(index=False, na_rep="", float_format=lambda number: f"{number:+.3f}")
