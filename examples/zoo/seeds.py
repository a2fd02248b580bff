"""Do variants differ by more than seeds do? Each against the dense model, with intervals over seeds."""

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from scipy.stats import ttest_ind

from benchmark.report.findings.comparable_rows import comparable, read
from benchmark.results.comparable import STUDY

REFERENCE = "dense"
BEYOND = "beyond the spread over seeds"
MEASURES: Mapping[str, str] = {
    "skip_ratio": "oracle: skip ratio",
    "above_chance": "oracle: skip ratio above chance",
    "eas": "EAS",
    "gate_skip_ratio_99": "best gate keeping 99 %: skip ratio",
    "gate_speed_99": "best gate keeping 99 %: speed",
    "speedup_speculation": "lossless self-speculation: speed",
    "decoded_skip_ratio": "gate for real: skip ratio",
    "decoded_same_until": "gate for real: text that is the same",
}
"""What is compared, and its title."""
_OF_THE_ORACLE = (
    *("skip_ratio", "skip_ratio_chance", "eas"),
    *("gate_skip_ratio_99", "gate_speed_99", "speedup_speculation"),
)
_SEED = re.compile(r"-s(\d+)(@.*)?$")


def variant_of(model: str) -> str:
    """Return the variant that a model, or one of its checkpoints, is a seed of."""
    return _SEED.sub("", model)


def final_models(results: Path) -> pd.DataFrame:
    """Return a line a model, at its final checkpoint: `variant`, its measures and `skip_ratio_chance`.

    Each is the mean over workloads; of the decoding study the mean over rules that can be built, which the oracle is
    not.

    Raises:
        InputError: there are no rows.
    """
    table, _ = read(results)
    oracle = comparable(table[table["suite"].eq(STUDY)]).rows
    models = oracle.groupby("model")[[*_OF_THE_ORACLE]].mean()
    decoded = comparable(table[table["suite"].eq("decoding")], "decoding").rows
    built = decoded[decoded["gate"].ne("oracle")].groupby("model")[["skip_ratio", "same_until"]].mean()
    models = models.join(built.add_prefix("decoded_")).assign(
        above_chance=models["skip_ratio"] - models["skip_ratio_chance"],
        variant=[variant_of(name) for name in models.index],
    )
    return models[["variant", *MEASURES, "skip_ratio_chance"]]


def differences(models: pd.DataFrame) -> pd.DataFrame:
    """Return one line for each other variant than the dense one and each measure.

    Columns: `variant`, `measure`, `difference` of the means over seeds to the dense one's, `low` and `high` of Welch's
    95 % interval over seeds, which are NaN where either has one seed only or no seed differs, and how many `seeds`
    and `dense_seeds`.

    Args:
        models: of `final_models`.
    """
    lines = []
    for name in sorted({*models["variant"]} - {REFERENCE}):
        for measure in MEASURES:
            here, there = (models.loc[models["variant"] == one, measure].dropna() for one in (name, REFERENCE))
            low = high = float("nan")
            # Where no seed differs from another, as where no gate is ever worth it, there is no spread to go by.
            if len(here) > 1 and len(there) > 1 and here.nunique() + there.nunique() > 2:
                interval = ttest_ind(here, there, equal_var=False).confidence_interval(0.95)
                low, high = interval.low, interval.high
            if len(here) and len(there):
                lines.append((name, measure, here.mean() - there.mean(), low, high, len(here), len(there)))
    return pd.DataFrame(
        lines, columns=["variant", "measure", "difference", "low", "high", "seeds", "dense_seeds"]
    )  # fmt: skip


def verdicts(lines: pd.DataFrame) -> list[str]:
    """Return of each line of `differences` whether zero is beyond what seeds make of it."""
    return [
        "no interval" if pd.isna(low) else BEYOND if low > 0 or high < 0 else "within it"
        for low, high in zip(lines["low"], lines["high"], strict=True)
    ]


def told(lines: pd.DataFrame) -> str:
    """Return the lines as text, each with its verdict."""
    if lines.empty:
        return f"over seeds: nothing to compare; measure '{REFERENCE}' and another variant"
    shown = lines.assign(measure=lines["measure"].map(MEASURES), **{f"minus {REFERENCE}": verdicts(lines)})
    return shown.to_string(index=False, na_rep="", float_format=lambda number: f"{number:+.3f}")
