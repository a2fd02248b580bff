"""A study: what a case runs on a model, and what it leaves for columns to be computed from.

`oracle` is the one there is. Rows of all studies share a frame (identity, setting, cost, provenance) and carry the
columns of their own; the column `suite` names the study, and readers never mix two.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from benchmark.cases.identity import Asked
from benchmark.cases.measure import measure, measured_columns
from benchmark.decoding.buffer import Progress
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.experiments import EXPERIMENTS
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.record import Trace


@dataclass(frozen=True)
class Outcome:
    """What a study leaves of one case."""

    trace: Trace
    columns: dict[str, Any]
    """Columns that are known once the model has run, whatever is then made of the trace."""


class Study(Protocol):
    """What a case runs."""

    @property
    def name(self) -> str:
        """What rows call it, in `suite`."""

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        """What is computed from every trace."""

    def run(self, model: LoadedModel, asked: Asked, progress: Progress) -> Outcome:
        """Run the model on the prompts.

        Raises:
            MeasurementError: it gives no numbers.
        """


@dataclass(frozen=True)
class Oracle:
    """The oracle study: the model's own greedy text, with every exit of every token."""

    name: str = "oracle"
    experiments: tuple[Experiment, ...] = EXPERIMENTS

    def run(self, model: LoadedModel, asked: Asked, progress: Progress) -> Outcome:
        """Decode every prompt that fits, and read out every exit."""
        measurement = measure(model, asked, progress)
        return Outcome(measurement.capture.trace, measured_columns(measurement, model))


ORACLE = Oracle()
