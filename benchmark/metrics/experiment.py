"""An experiment: a name, typed columns, and the pure function that computes them from a trace.

A file of somebody's own that holds an `Experiment` is a suite: its columns land in rows, tables, `recompute` and
`check` beside those of this package. See docs/extending.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol

from typing_extensions import TypeVar

from benchmark.errors import MeasurementError
from benchmark.metrics.column_types import Columns
from benchmark.metrics.scoring import Scoring
from benchmark.trace.costs import Costs
from benchmark.trace.record import Trace


class Counted(Protocol):
    """A record of any study, as far as experiments ask whether there is anything in it."""

    @property
    def num_tokens(self) -> int:
        """How many tokens it is of."""


C = TypeVar("C", bound=Columns)
R = TypeVar("R", bound=Counted, default=Trace, contravariant=True)


@dataclass(frozen=True)
class Experiment(Generic[C, R]):
    """What is computed from every record of a study under one name; records are traces, unless said otherwise."""

    name: str
    """As rows list it in `experiments`; the test of a suite is called `test_<name>`."""
    columns: type[C]
    """What it computes: null, by default, where something cannot be computed."""
    compute: Callable[[R, Scoring, Costs | None], C]
    """Record, scoring settings and costs → columns; pure, so that a stored record gives the same numbers again."""

    def of(self, record: R, scoring: Scoring, costs: Costs | None) -> C:
        """Return what the experiment makes of a record.

        Raises:
            MeasurementError: the record has no token.
        """
        if record.num_tokens == 0:
            raise MeasurementError(
                "no token was generated, so there is nothing to average; check the prompts of the workload, and the "
                "number of new tokens"
            )
        return self.compute(record, scoring, costs)
