"""One model, layer by layer: how often each layer already has the token, where tokens leave, and a text of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.metrics.exits import first_match
from benchmark.report.tables import Head, Table
from benchmark.results.row import Row
from benchmark.results.store import read_trace

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


def layers(rows: Sequence[Row]) -> list[Layer]:
    """Return the layers of a model.

    Args:
        rows: of the model, at least one, of the oracle study, in one setting.
    """
    agreement = np.mean([row.agreement or [] for row in rows], axis=0)
    exits = np.mean([row.exit_share or [] for row in rows], axis=0)
    return [Layer(n, *pair) for n, pair in enumerate(zip(agreement.tolist(), exits.tolist(), strict=True), start=1)]


def table(rows: Sequence[Row]) -> Table:
    """Return the agreement of each layer on each workload, a row a layer."""
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
