"""One model, layer by layer: how often each layer already has the token, where tokens leave, and a text of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.errors import InputError
from benchmark.metrics.exits import first_match
from benchmark.report.board.lines import lines
from benchmark.report.board.rows import Entry
from benchmark.report.tables import Head, Table
from benchmark.results.comparable import GIVEN, LIMITED, not_a_full_run
from benchmark.results.row import Row
from benchmark.results.store import read_trace

Found = tuple[Path, Row]
"""A row and its file."""
TOKENS = 160
"""Tokens of a text at most."""


@dataclass(frozen=True)
class Layer:
    """A layer of a model, over several workloads: plain means of them."""

    number: int
    agreement: float
    """Share of tokens on which it has the full model's token."""
    exits: float
    """Share of tokens whose exit it is."""


@dataclass(frozen=True)
class ReadText:
    """A text that a model wrote, with the exit of each token."""

    workload: str
    num_layers: int
    tokens: list[tuple[str, int]]
    """What each token adds to the text, and the layer at which it was there first."""
    shortened: bool
    """Whether the text goes on."""


def of_one_setting(found: Sequence[Found]) -> tuple[list[Found], str | None]:
    """Return the rows of the setting of a model that most is known of, and what is said of the others.

    Full runs come before limited ones, then the setting of most workloads, then the newest; of several rows on a
    workload the newest is taken. Rows of other studies, failed ones and those of given texts are in no setting.
    """
    whole = [Entry(path, row) for path, row in found if not_a_full_run(row) in (None, LIMITED)]
    if not whole:
        return [], None
    settings = lines(whole)
    shown = max(settings, key=lambda line: (not line.newest.limited, len(line.counted), line.newest.started))
    others = [(line.label, entry.row) for line in settings if line is not shown for entry, _ in line.rows]
    others += [(reason, entry.row) for entry, reason in shown.others]
    others += [(GIVEN, row) for _, row in found if not_a_full_run(row) == GIVEN]
    workloads: dict[str, dict[str, None]] = {}
    for what, row in others:
        workloads.setdefault(what, {})[row.workload] = None
    left_out = "; ".join(f"{what}: {', '.join(some)}" for what, some in workloads.items())
    rows = [(entry.file, entry.row) for entry in shown.counted.values()]
    return rows, f"This is {shown.label}. Not shown: {left_out}." if left_out else None


def layers(rows: Sequence[Row]) -> list[Layer]:
    """Return the layers of a model.

    Args:
        rows: of the model, at least one, of the oracle study, in one setting.

    Raises:
        InputError: they are not of equally many layers.
    """
    _refuse_ragged(rows)
    agreement = np.mean([row.agreement or [] for row in rows], axis=0)
    exits = np.mean([row.exit_share or [] for row in rows], axis=0)
    return [Layer(n, *pair) for n, pair in enumerate(zip(agreement.tolist(), exits.tolist(), strict=True), start=1)]


def table(rows: Sequence[Row]) -> Table:
    """Return the agreement of each layer on each workload, a row a layer.

    Raises:
        InputError: the rows are not of equally many layers.
    """
    _refuse_ragged(rows)
    heads = (Head("layer", digits=0), *(Head(row.workload, digits=3, rank=n) for n, row in enumerate(rows)))
    columns = [row.agreement or [] for row in rows]
    cells = tuple((number, *values) for number, values in enumerate(zip(*columns, strict=True), start=1))
    return Table("share of tokens that a layer already has right", heads, cells)


def first_text(path: Path, row: Row) -> ReadText:
    """Return the first text of a row.

    Raises:
        InputError: its tokens cannot be read.
    """
    trace = read_trace(path, row)
    of_first = np.flatnonzero(trace.prompt == trace.prompt[0])
    shown = of_first[:TOKENS]
    exits = first_match(trace.matches[shown]).tolist()
    tokens = list(zip(trace.text[shown].tolist(), exits, strict=True))
    return ReadText(row.workload, trace.num_layers, tokens, len(shown) < len(of_first))


def _refuse_ragged(rows: Sequence[Row]) -> None:
    for row in rows:
        for column, values in (("agreement", row.agreement), ("exit_share", row.exit_share)):
            if len(values or []) != rows[0].num_layers:
                raise InputError(
                    f"{row.model} × {row.workload}: {column} is of {len(values or [])} layers, and the model has "
                    f"{rows[0].num_layers}; see exitbench check, and measure the case again"
                )
