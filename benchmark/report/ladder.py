"""The ladder of a case: from what a perfect rule could skip to what can be had, step by step, each as a speed."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from benchmark.results.comparable import STUDY
from benchmark.results.row import Row

STEPS = {
    "layers": "speedup_bound_layers",
    "+head": "speedup_bound_head",
    "+cache": "speedup_bound_kv",
    "settled": "speedup_bound_settled",
    "gate 95 %": "gate_speed_95",
    "gate 99 %": "gate_speed_99",
    "lossless": "speedup_speculation",
}
"""Each step, and the column that has its speed; 1 is the full model."""
_LEGEND = """\
Speeds against the full model, which is 1, from bytes of weights; none is measured.
A perfect rule: layers alone, then with the output head, then with what skipped layers owe their cache; settled is
the same where a token leaves only when no deeper layer disagrees.
What can be built: the best gate that is to keep 95 % and 99 % of the tokens, looks paid; lossless is
self-speculation, which changes no text."""


def ladders(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the ladder of every row of the oracle study that went well, on the model's own texts, as plain data.

    Each has what it is of, a speed a step, and what is said of the gates.
    """
    return [
        {
            "model": row.model,
            "workload": row.workload,
            "limited": row.limited,
            "configuration": row.configuration,
            **{step: getattr(row, column) for step, column in STEPS.items()},
            "best gate": row.gate_99,
            "gates_missing": row.gates_missing,
        }
        for row in rows
        if row.status == "ok" and row.suite == STUDY and row.capture == "decoded"
    ]


def as_text(found: list[dict[str, Any]]) -> str:
    """Return the ladders as tables, one a model, with what the steps are."""
    table = pd.DataFrame(found)
    blocks = []
    for model, some in table.groupby("model", sort=False):
        shown = pd.DataFrame({"workload": some["workload"] + some["limited"].map({True: "*", False: ""})})
        for step in STEPS:
            shown[step] = some[step].map(lambda speed: "" if pd.isna(speed) else f"{speed:.2f}")
        shown["best gate"] = some["best gate"].fillna("")
        blocks.append(f"{model}\n{shown.to_string(index=False)}")
    notes = [_LEGEND]
    if table["limited"].any():
        notes.append("* limited: not the prompts of a full run")
    notes += [f"gates of the vocabulary are left out: {reason}" for reason in table["gates_missing"].dropna().unique()]
    return "\n\n".join([*blocks, *notes])
