"""Do variants differ by more than seeds do? Each against the dense model, with intervals over seeds."""

import re
from pathlib import Path

import pandas as pd
from scipy.stats import ttest_ind

from benchmark.report.findings.comparable_rows import comparable, read
from benchmark.report.findings.comparisons import table_of_models
from benchmark.results.comparable import STUDY

MEASURES = ("skip_ratio", "eas", "gate_speed_99", "speedup_speculation")
"""What the oracle skips, how early layers approach the output, and what the best gate and self-speculation give."""
REFERENCE = "dense"
_SEED = re.compile(r"-s\d+(@.*)?$")


def differences(results: Path) -> pd.DataFrame:
    """Return one line for each variant of two seeds or more and each measure, of final checkpoints of full runs.

    Columns: `variant`, `measure`, `difference` to the dense one, `low` and `high` of Welch's 95 % interval over seeds,
    and how many `seeds` both have. Empty where the dense one has fewer than two.

    Raises:
        InputError: there are no rows.
    """
    table, _ = read(results)
    rows = comparable(table[table["suite"].eq(STUDY)]).rows
    models = table_of_models(rows) if len(rows) else pd.DataFrame(columns=[*MEASURES])
    variant = models.index.map(lambda name: _SEED.sub("", name))
    lines = []
    for name in sorted({*variant} - {REFERENCE}):
        for measure in MEASURES:
            here, there = (models.loc[variant == one, measure].dropna() for one in (name, REFERENCE))
            if len(here) < 2 or len(there) < 2:
                continue
            interval = ttest_ind(here, there, equal_var=False).confidence_interval(0.95)
            seeds = f"{len(here)} and {len(there)}"
            lines.append((name, measure, here.mean() - there.mean(), interval.low, interval.high, seeds))
    return pd.DataFrame(lines, columns=["variant", "measure", "difference", "low", "high", "seeds"])


def told(lines: pd.DataFrame) -> str:
    """Return the lines as text, each with whether zero is beyond what seeds make of it."""
    if lines.empty:
        return f"over seeds: nothing to compare; '{REFERENCE}' and a variant need two seeds or more"
    beyond = (lines["low"] > 0) | (lines["high"] < 0)
    verdict = beyond.map({True: "beyond the spread over seeds", False: "within it"})
    shown = lines.assign(**{f"minus {REFERENCE}": verdict})
    return shown.to_string(index=False, float_format=lambda number: f"{number:+.3f}")
