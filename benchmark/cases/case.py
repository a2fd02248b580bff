"""A case as a test sees it: the row of a job, its trace, and what any experiment makes of it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from benchmark.errors import InputError
from benchmark.metrics.experiment import C, Experiment, R
from benchmark.metrics.experiments.studies import Record
from benchmark.metrics.scoring import Scoring
from benchmark.results.row import Row
from benchmark.results.store import read_tokens
from benchmark.trace.costs import Costs, costs_of_columns
from benchmark.trace.decoded import Decoded
from benchmark.trace.record import Trace
from benchmark.trace.timed import Timed

K = TypeVar("K", Trace, Decoded, Timed)


@dataclass(frozen=True)
class Case:
    """A model on a workload in one setting, measured."""

    path: Path
    """File of the row."""
    row: Row
    """What was measured, whole."""

    @cached_property
    def record(self) -> Record:
        """What the study of the row has left, from the file beside it.

        Raises:
            InputError: it is missing, damaged, or of another row.
        """
        return read_tokens(self.path, self.row)

    @cached_property
    def trace(self) -> Trace:
        """The tokens with all their exits, from the file beside the row.

        Raises:
            InputError: it is missing, damaged, of another row, or of another study.
        """
        return self._recorded(Trace, "which has no trace of all exits")

    @cached_property
    def decoded(self) -> Decoded:
        """The texts of a case of the decoding study, from the file beside the row.

        Raises:
            InputError: it is missing, damaged, of another row, or of another study.
        """
        return self._recorded(Decoded, "where no token left early")

    @cached_property
    def timed(self) -> Timed:
        """What was timed, of a case of the study of the clock, from the file beside the row.

        Raises:
            InputError: it is missing, damaged, of another row, or of another study.
        """
        return self._recorded(Timed, "where nothing was timed")

    @cached_property
    def scoring(self) -> Scoring:
        """The scoring settings of the row."""
        return self.row.scoring

    @cached_property
    def costs(self) -> Costs | None:
        """What a token costs in each layer; None where that cannot be read off the model."""
        return costs_of_columns(self.row.model_dump())

    def columns(self, experiment: Experiment[C, R]) -> C:
        """Return what an experiment makes of the record of the case."""
        record: Any = self.record
        return experiment.of(record, self.scoring, self.costs)

    def _recorded(self, kind: type[K], otherwise: str) -> K:
        record = self.record
        if not isinstance(record, kind):
            raise InputError(f"{self.path}: is a row of the study '{self.row.suite}', {otherwise}")
        return record
