"""Means over the workloads of a line, with intervals that follow from those of its rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.results.row import DECLARED, Row

_KINDS = {name: column.mean for name, column in DECLARED.items() if column.mean is not None}
WITH_INTERVAL = tuple(name for name, kind in _KINDS.items() if kind == "interval")


@dataclass(frozen=True)
class Mean:
    """Mean over workloads."""

    value: float | None = None
    """Null where a row does not have the number."""
    low: float | None = None
    """Lower end of the 95 % interval over prompts; null where a row has none."""
    high: float | None = None
    """Upper end of the same."""


def means(rows: Sequence[Row]) -> dict[str, Mean]:
    """Of every column that has a mean over workloads; each row counts the same."""
    return {name: _mean_of_kind(rows, name, kind) for name, kind in _KINDS.items()}


def _mean_of_kind(rows: Sequence[Row], column: str, kind: str) -> Mean:
    if kind == "interval":
        return _mean_of_intervals(rows, column)
    return Mean(harmonic_mean(rows, column) if kind == "harmonic" else arithmetic_mean(rows, column))


def arithmetic_mean(rows: Sequence[Row], column: str) -> float | None:
    """Arithmetic mean, if all rows have the number: no mean is over fewer workloads than it says."""
    values = _values(rows, column)
    return math.fsum(values) / len(values) if values else None


def harmonic_mean(rows: Sequence[Row], column: str) -> float | None:
    """Full cost over mean early cost: the bound of a text that is made up of the workloads in equal parts."""
    values = _values(rows, column)
    return len(values) / math.fsum(1 / value for value in values) if values and min(values) > 0 else None


def mean_with_interval(numbers: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Mean of independent numbers, with the interval that follows from theirs.

    Prompts of one workload are not those of another, so the numbers are independent, and the distances to the ends of
    their intervals add like standard deviations (method of variance estimates recovery: Zou & Donner, Construction of
    confidence limits about effect measures: a general approach, Statistics in Medicine 27, 2008).

    Args:
        numbers: value, low and high of each.
    """
    middle = math.fsum(value for value, _, _ in numbers) / len(numbers)
    below = math.hypot(*(value - low for value, low, _ in numbers)) / len(numbers)
    above = math.hypot(*(high - value for value, _, high in numbers)) / len(numbers)
    return middle, middle - below, middle + above


def _mean_of_intervals(rows: Sequence[Row], column: str) -> Mean:
    values, lows, highs = (_values(rows, f"{column}{end}") for end in ("", "_ci_low", "_ci_high"))
    if values and lows and highs:
        return Mean(*mean_with_interval(list(zip(values, lows, highs, strict=True))))
    return Mean(arithmetic_mean(rows, column))


def _values(rows: Sequence[Row], column: str) -> list[float]:
    values = [getattr(row, column) for row in rows]
    return [] if None in values else values
