"""The row: every column of the results, its unit and its meaning. One case, one row, flat.

L is the number of layers; layers and exits count from 1 to L. A column that is null was not measured. The columns of
the experiments are declared beside them, in `benchmark/metrics/experiments/`; those that rows of all studies share are
in `frame`.
"""

import json
from typing import Any, Self

from pydantic import ConfigDict, JsonValue, model_validator

from benchmark.metrics.column_types import Column, declared
from benchmark.metrics.experiments.answers import AnswerColumns
from benchmark.metrics.experiments.bounds import BoundColumns
from benchmark.metrics.experiments.clock import ClockColumns
from benchmark.metrics.experiments.decoding import DecodingColumns
from benchmark.metrics.experiments.exits import ExitColumns
from benchmark.metrics.experiments.gates import GateColumns
from benchmark.metrics.experiments.halves import HalfColumns
from benchmark.metrics.experiments.layers import LayerColumns
from benchmark.metrics.experiments.speculation import SpeculationColumns
from benchmark.metrics.experiments.studies import RECORDED, SHIPPED, recorded
from benchmark.metrics.experiments.suitability import SuitabilityColumns
from benchmark.metrics.experiments.words import WordColumns
from benchmark.metrics.scoring import TAU, Scoring
from benchmark.results.row.frame import (
    ClockMeasured,
    Cost,
    GatedMeasured,
    Identity,
    Measured,
    Provenance,
    Setting,
)


# The last base comes first among the columns.
class Row(
    Provenance,
    Cost,
    ClockMeasured,
    ClockColumns,
    DecodingColumns,
    GatedMeasured,
    AnswerColumns,
    HalfColumns,
    WordColumns,
    LayerColumns,
    SpeculationColumns,
    GateColumns,
    BoundColumns,
    SuitabilityColumns,
    ExitColumns,
    Measured,
    Setting,
    Identity,
):
    """One measured (model, workload, suite, setting). Columns of somebody's own experiments stand beside the others."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _own_columns_have_an_experiment(self) -> Self:
        own = self.own_columns
        if own and not self.own_experiments:
            raise ValueError(f"field '{next(iter(own))}': unknown column, and the row has no experiment of its own")
        if odd := next((name for name, value in own.items() if not _is_plain(value)), None):
            raise ValueError(f"field '{odd}': must be a number, a text, true, false, null, or a list of such")
        return self

    @property
    def precision(self) -> str | None:
        """The type that the weights were computed in, and what they are stored in where that is another."""
        stored = "" if self.stored_as in (None, self.dtype) else f" (stored as {self.stored_as})"
        return None if self.dtype is None else f"{self.dtype}{stored}"

    @property
    def own_columns(self) -> dict[str, Any]:
        """Columns of experiments that are not of this package, by name."""
        return dict(self.model_extra or {})

    @property
    def own_experiments(self) -> list[str]:
        """Names of experiments that are not of this package."""
        shipped = {experiment.name for experiment in SHIPPED}
        return [name for name in self.experiments if name not in shipped]

    @property
    def scoring(self) -> Scoring:
        """The settings that the row was scored with.

        Raises:
            InputError: they are outside of their ranges.
        """
        return Scoring(self.alpha, tuple(TAU if self.tau is None else self.tau), self.seed)

    def of_study(self) -> dict[str, Any]:
        """Return the columns by name, without those that only rows of other studies have."""
        others = {name for study in RECORDED.values() for name in study.columns} - recorded(self.suite).columns
        return {name: value for name, value in self.model_dump().items() if name not in others}

    def as_json(self) -> str:
        """Return the row as its file has it."""
        return json.dumps(self.of_study(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"

    def headline(self) -> dict[str, Any]:
        """Return what identifies the case, and the columns that every table shows."""
        return {name: getattr(self, name) for name in (*_IDENTIFYING, *HEADLINE, "limited")}


_IDENTIFYING = ("model", "workload", "prompts", "tokens", "num_layers")
DECLARED: dict[str, Column] = declared(Row)
"""The declaration of every column."""
HEADLINE = tuple(name for name, column in DECLARED.items() if column.headline)
"""Columns that every table of results shows."""
ASKED = frozenset([*Identity.model_fields, *Setting.model_fields, *Provenance.model_fields]) - {"token_records_sha256"}
"""Columns that are known before the model is loaded, and so of a case that failed."""


def _is_plain(value: JsonValue) -> bool:
    parts = value if isinstance(value, list) else [value]
    return not any(isinstance(part, list | dict) for part in parts)
