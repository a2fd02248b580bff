"""The ladder of a case: from what a perfect rule could skip to what can be had, step by step, each as a speed."""

import textwrap
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from benchmark.messages import printable
from benchmark.report import tables
from benchmark.report.tables import Head, Table
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
_RANKS = (5, 6, 0, 4, 3, 1, 2)
"""Of the steps, in a narrow terminal: the higher, the sooner it goes."""
_LEGEND = (
    "Speeds against the full model, which is 1, from bytes of weights; none is measured.",
    "A perfect rule: layers alone, then with the output head, then with what skipped layers owe their cache; settled "
    "is the same where a token leaves only when no deeper layer disagrees.",
    "What can be built: the best gate that is to keep 95 % and 99 % of the tokens, looks paid; lossless is "
    "self-speculation, which changes no text.",
)
_WIDTH = 115
"""Columns of the notes, where lines may be of any length."""


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


def table(found: list[dict[str, Any]]) -> Table:
    """Return the ladders as a table, a row a case."""
    heads = (
        Head("model"),
        Head("workload"),
        *(Head(step, digits=2, rank=rank) for step, rank in zip(STEPS, _RANKS, strict=True)),
        Head("best gate", rank=max(_RANKS) + 1),
    )
    rows = [
        (
            ladder["model"],
            f"{ladder['workload']}{'*' if ladder['limited'] else ''}",
            *(ladder[step] for step in STEPS),
            ladder["best gate"],
        )
        for ladder in found
    ]
    return Table("", heads, tuple(rows))


def as_text(found: list[dict[str, Any]], columns: int | None = None) -> str:
    """Return the ladders as tables, one a model, with what the steps are.

    Args:
        found: the ladders.
        columns: of the terminal; None where lines may be of any length.
    """
    blocks = []
    for model in dict.fromkeys(ladder["model"] for ladder in found):
        some = table([ladder for ladder in found if ladder["model"] == model])
        named = replace(some, title=model, heads=some.heads[1:], rows=tuple(row[1:] for row in some.rows))
        blocks.append(tables.as_text(named, columns))
    notes = ["\n".join(textwrap.fill(note, min(columns or _WIDTH, _WIDTH)) for note in _LEGEND)]
    if any(ladder["limited"] for ladder in found):
        notes.append("* limited: not the prompts of a full run")
    missing = dict.fromkeys(ladder["gates_missing"] for ladder in found if ladder["gates_missing"])
    notes += [f"gates of the vocabulary are left out: {printable(reason)}" for reason in missing]
    return "\n\n".join([*blocks, *notes])
