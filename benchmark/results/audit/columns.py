"""Whether the columns of a row are what its tokens give: every experiment is computed anew and compared."""

import math
from collections.abc import Iterator
from typing import Any

from benchmark.metrics.experiments import EXPERIMENTS, Choices
from benchmark.results.audit.fault import Fault, told
from benchmark.results.row import Row
from benchmark.trace.record import Trace

_COUNTED = ("exits", "words", "halves")
"""Experiments that count exits. Their means are of whole numbers, so they have nothing to round but the last digit."""
_COUNTED_TOLERANCE = 1e-12
_TOLERANCE = 1e-6
"""Of sums of real numbers, and of quantiles of draws; relative to the number, absolute below 1."""


def other_columns(row: Row, trace: Trace) -> Iterator[Fault]:
    """The columns that are not what the tokens give.

    Args:
        row: of a case that went well, with costs and a setting that can be.
        trace: of as many layers as the row has.
    """
    choices = Choices.of_row(row)
    for experiment, compute in EXPERIMENTS.items():
        for column, computed in compute(trace, choices).items():
            stated = getattr(row, column)
            if experiment not in row.experiments:
                if stated is not None:
                    yield Fault(column, f"is given, but the row does not have the experiment '{experiment}'")
                continue
            counted = experiment in _COUNTED and "_ci_" not in column and column != "skip_ratio_chance"
            tolerance = _COUNTED_TOLERANCE if counted else _TOLERANCE
            if (difference := _difference(stated, computed, tolerance)) is not None:
                yield Fault(column, difference)


def _difference(stated: Any, computed: Any, tolerance: float) -> str | None:
    """What a column says and what its tokens give, where the two differ; of a list, its first entry that does."""
    if not isinstance(stated, list) or not isinstance(computed, list):
        return (
            None if _same(stated, computed, tolerance) else f"is {told(stated)}, but its tokens give {told(computed)}"
        )
    if len(stated) != len(computed):
        return f"has {len(stated)} entries, but its tokens give {len(computed)}"
    for number, (one, other) in enumerate(zip(stated, computed, strict=True), start=1):
        if not _same(one, other, tolerance):
            return f"entry {number} is {told(one)}, but its tokens give {told(other)}"
    return None


def _same(stated: Any, computed: Any, tolerance: float) -> bool:
    if isinstance(stated, float) and isinstance(computed, float):
        return math.isclose(stated, computed, rel_tol=tolerance, abs_tol=tolerance)
    return bool(stated == computed)
