"""An experiment: a name, typed columns, and the pure function that computes them from a trace.

A file of somebody's own that holds an `Experiment` is a suite: its columns land in rows, tables, `recompute` and
`check` beside those of this package. See docs/extending.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from benchmark.errors import MeasurementError
from benchmark.metrics.column_types import Columns
from benchmark.metrics.scoring import Scoring
from benchmark.trace.costs import Costs
from benchmark.trace.record import Trace

C = TypeVar("C", bound=Columns)


@dataclass(frozen=True)
class Experiment(Generic[C]):
    """What is computed from every trace under one name."""

    name: str
    """As rows list it in `experiments`; the test of a suite is called `test_<name>`."""
    columns: type[C]
    """What it computes: null, by default, where something cannot be computed."""
    compute: Callable[[Trace, Scoring, Costs | None], C]
    """Trace, scoring settings and costs → columns; pure, so that a stored trace gives the same numbers again."""

    def of(self, trace: Trace, scoring: Scoring, costs: Costs | None) -> C:
        """Return what the experiment makes of a trace.

        Raises:
            MeasurementError: the trace has no token.
        """
        if trace.num_tokens == 0:
            raise MeasurementError(
                "no token was generated, so there is nothing to average; check the prompts of the workload, and the "
                "number of new tokens"
            )
        return self.compute(trace, scoring, costs)
