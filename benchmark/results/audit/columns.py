"""Whether the columns of a row are what its tokens give: every experiment is computed anew and compared."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from benchmark.metrics.column_types import declared
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.experiments.studies import Record
from benchmark.results.audit.fault import Fault, told
from benchmark.results.row import Row
from benchmark.trace.costs import costs_of_columns

_COUNTED_TOLERANCE = 1e-12
"""Of means of whole numbers, which have nothing to round but the last digit."""
_TOLERANCE = 1e-6
"""Of sums of real numbers, and of quantiles of draws; relative to the number, absolute below 1."""


def other_columns(row: Row, record: Record, experiments: Sequence[Experiment[Any, Any]]) -> Iterator[Fault]:
    """The columns that are not what the tokens give.

    Args:
        row: of a case that went well, with costs and a setting that can be.
        record: of as many layers as the row has.
        experiments: that the row may have.
    """
    stated, costs = row.model_dump(), costs_of_columns(row.model_dump())
    for experiment in experiments:
        if experiment.name not in row.experiments:
            given = [column for column in experiment.columns.model_fields if stated.get(column) is not None]
            yield from (
                Fault(column, f"is given, but the row has no experiment '{experiment.name}'") for column in given
            )
            continue
        computed = experiment.of(record, row.scoring, costs).model_dump()
        for column, declaration in declared(experiment.columns).items():
            tolerance = _COUNTED_TOLERANCE if declaration.counted else _TOLERANCE
            if (difference := _difference(stated.get(column), computed[column], tolerance)) is not None:
                yield Fault(column, difference)
    names = {column for experiment in experiments for column in experiment.columns.model_fields}
    if len(row.own_experiments) == sum(experiment.name in row.own_experiments for experiment in experiments):
        yield from (
            Fault(column, "is of no experiment of the row") for column in row.own_columns if column not in names
        )


def _difference(stated: Any, computed: Any, tolerance: float) -> str | None:
    """What a column says and what its tokens give, where the two differ; of a list, its first entry that does."""
    if not isinstance(stated, list) or not isinstance(computed, list):
        return (
            None if _same(stated, computed, tolerance) else f"is {told(stated)}, but its tokens give {told(computed)}"
        )
    if len(stated) != len(computed):
        return f"has {len(stated)} entries, but its tokens give {len(computed)}"
    for number, (one, other) in enumerate(zip(stated, computed, strict=True), start=1):
        if (difference := _difference(one, other, tolerance)) is not None:
            return f"entry {number} {difference}"
    return None


def _same(stated: Any, computed: Any, tolerance: float) -> bool:
    if isinstance(stated, float) and isinstance(computed, float):
        return math.isclose(stated, computed, rel_tol=tolerance, abs_tol=tolerance)
    return bool(stated == computed)
