"""A study: what a case runs on a model, and what it leaves for columns to be computed from.

There are two: `oracle`, what could be gained, and `decoding`, what happens to the text when tokens really leave early.
Rows of all studies share a frame (identity, setting, cost, provenance) and carry the columns of their own; the column
`suite` names the study, and readers never mix two.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from benchmark.cases.identity import Asked
from benchmark.decoding.buffer import Phase, Progress
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.experiments.studies import Record
from benchmark.readout.loaded_model import LoadedModel

T = TypeVar("T")


class Shared(Protocol):
    """What cases of a model share while it is loaded, and who is told what they do."""

    @property
    def phase(self) -> Phase:
        """Told what is done next."""

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what `compute` gave when this was first asked for."""


@dataclass(frozen=True)
class Outcome:
    """What a study leaves of one case."""

    record: Record
    columns: dict[str, Any]
    """Columns that are known once the model has run, whatever is then made of the record."""


class Study(Protocol):
    """What a case runs."""

    @property
    def name(self) -> str:
        """What rows call it, in `suite`."""

    @property
    def experiments(self) -> tuple[Experiment[Any, Any], ...]:
        """What is computed from every record."""

    def run(self, model: LoadedModel, asked: Asked, progress: Progress, shared: Shared) -> Outcome:
        """Run the model on the prompts.

        Args:
            model: loaded.
            asked: prompts, and how they are run.
            progress: told after every step.
            shared: keeps what other cases of the model can use.

        Raises:
            MeasurementError: it gives no numbers.
        """
