"""The experiments of the study: which columns each of them computes from a trace.

`suites/` has a file for each, with the definition it measures; this list is for going through all without pytest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmark.metrics.columns import (
    bound_columns,
    exit_columns,
    half_columns,
    layer_columns,
    suitability_columns,
    word_columns,
)
from benchmark.results.row import Row
from benchmark.trace.costs import Costs, costs_of_columns
from benchmark.trace.record import Trace

TAU = (*(round(0.05 * step, 2) for step in range(20)), 0.98, 0.99, 1.0)
"""Thresholds of the τ-oracle, unless asked otherwise: 0, 0.05, …, 0.95, 0.98, 0.99, 1."""

Record = Callable[[dict[str, Any]], None]
"""Adds the columns of the experiment that calls it to the row of the case."""


@dataclass(frozen=True)
class Choices:
    """What the columns depend on besides the trace."""

    alpha: float
    seed: int
    tau: tuple[float, ...]
    costs: Costs | None

    @classmethod
    def of_row(cls, row: Row) -> "Choices":
        """Those a row was computed with."""
        return cls(row.alpha, row.seed, tuple(TAU if row.tau is None else row.tau), costs_of_columns(row.model_dump()))


EXPERIMENTS: dict[str, Callable[[Trace, Choices], dict[str, Any]]] = {
    "exits": lambda trace, choices: exit_columns(trace, choices.seed),
    "suitability": lambda trace, choices: suitability_columns(trace, choices.alpha, choices.seed, choices.tau),
    "bounds": lambda trace, choices: bound_columns(trace, choices.costs),
    "layers": lambda trace, choices: layer_columns(trace),
    "words": lambda trace, choices: word_columns(trace),
    "halves": lambda trace, choices: half_columns(trace, choices.seed),
}
