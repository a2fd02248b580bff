"""A case as a test sees it: the row of a job, its trace, and what any experiment makes of it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from benchmark.metrics.column_types import Columns
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.scoring import Scoring
from benchmark.results.row import Row
from benchmark.results.store import read_tokens
from benchmark.trace.costs import Costs, costs_of_columns
from benchmark.trace.record import Trace

C = TypeVar("C", bound=Columns)


@dataclass(frozen=True)
class Case:
    """A model on a workload in one setting, measured."""

    path: Path
    """File of the row."""
    row: Row
    """What was measured, whole."""

    @cached_property
    def trace(self) -> Trace:
        """The tokens with all their exits, from the file beside the row.

        Raises:
            InputError: it is missing, damaged, or of another row.
        """
        return read_tokens(self.path, self.row)

    @cached_property
    def scoring(self) -> Scoring:
        """The scoring settings of the row."""
        return self.row.scoring

    @cached_property
    def costs(self) -> Costs | None:
        """What a token costs in each layer; None where that cannot be read off the model."""
        return costs_of_columns(self.row.model_dump())

    def columns(self, experiment: Experiment[C]) -> C:
        """Return what an experiment makes of the trace."""
        return experiment.of(self.trace, self.scoring, self.costs)
