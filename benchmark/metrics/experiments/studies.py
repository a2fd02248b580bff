"""The studies, as far as their rows and records are concerned: what each leaves, and what is computed from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmark.metrics.column_types import Columns
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.experiments import EXPERIMENTS
from benchmark.metrics.experiments.clock import CLOCK
from benchmark.metrics.experiments.decoding import DECODING
from benchmark.trace.decoded import Decoded
from benchmark.trace.record import Trace
from benchmark.trace.timed import Timed

Record = Trace | Decoded | Timed
"""What a study leaves of a case."""


class Reads(Protocol):
    """A kind of record."""

    def read_parquet(self, path: Path | str) -> Record:
        """Read a record from its file."""


@dataclass(frozen=True)
class Recorded:
    """What a study leaves."""

    record: Reads
    """The class of its records."""
    experiments: tuple[Experiment[Any, Any], ...]
    """What is computed from each."""

    @property
    def columns(self) -> frozenset[str]:
        """Names of the columns that are computed."""
        groups: list[type[Columns]] = [experiment.columns for experiment in self.experiments]
        return frozenset(name for group in groups for name in group.model_fields)


RECORDED: dict[str, Recorded] = {
    "oracle": Recorded(Trace, EXPERIMENTS),
    "decoding": Recorded(Decoded, (DECODING,)),
    "clock": Recorded(Timed, (CLOCK,)),
}
"""By the name of the study, as rows have it in `suite`."""
SHIPPED = tuple(experiment for study in RECORDED.values() for experiment in study.experiments)
"""The experiments of this package."""


def recorded(study: str) -> Recorded:
    """Return what a study leaves; of an unknown one, what the oracle does."""
    return RECORDED.get(study, RECORDED["oracle"])
