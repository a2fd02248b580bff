"""The experiments of the oracle study, a file each; `suites/` has the test of each, with the claims it makes."""

from collections.abc import Sequence
from typing import Any

from benchmark.metrics.experiment import Counted, Experiment
from benchmark.metrics.experiments.answers import ANSWERS
from benchmark.metrics.experiments.bounds import BOUNDS
from benchmark.metrics.experiments.exits import EXITS
from benchmark.metrics.experiments.gates import GATES
from benchmark.metrics.experiments.halves import HALVES
from benchmark.metrics.experiments.layers import LAYERS
from benchmark.metrics.experiments.speculation import SPECULATION
from benchmark.metrics.experiments.suitability import SUITABILITY
from benchmark.metrics.experiments.words import WORDS
from benchmark.metrics.scoring import Scoring
from benchmark.trace.costs import Costs

EXPERIMENTS: tuple[Experiment[Any], ...] = (
    EXITS,
    SUITABILITY,
    BOUNDS,
    GATES,
    SPECULATION,
    LAYERS,
    WORDS,
    HALVES,
    ANSWERS,
)


def score(
    record: Counted, scoring: Scoring, costs: Costs | None, experiments: Sequence[Experiment[Any, Any]] = EXPERIMENTS
) -> dict[str, Any]:
    """Return the columns of all experiments, by name.

    Args:
        record: of at least one token; a trace, unless the experiments are of another study.
        scoring: the settings.
        costs: what a token costs; None where that is not known.
        experiments: to compute.

    Raises:
        MeasurementError: the record has no token, or an experiment cannot compute its columns.
    """
    columns: dict[str, Any] = {}
    for experiment in experiments:
        columns |= experiment.of(record, scoring, costs).model_dump()
    return columns
