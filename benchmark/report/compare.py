"""Two sets of rows beside each other: what differs on the workloads that both have, with intervals over prompts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import InputError
from benchmark.messages import printable
from benchmark.metrics.statistics.bootstrap import OverTokens, PairedDifference, paired_difference
from benchmark.metrics.tables.over_tokens import over_tokens
from benchmark.report.pairing import Found, names, paired
from benchmark.report.tables import Cell, Head, Table
from benchmark.results.row import DECLARED, Row
from benchmark.results.store import read_trace
from benchmark.trace.costs import costs_of_columns

_TITLES = {"skip_ratio_settled": "settled skips", "speedup_bound_settled": "settled"}
"""Titles of columns that have none of their own."""


@dataclass(frozen=True)
class Pair:
    """Two rows of one workload, and how their numbers differ."""

    model: str
    """Of both rows, with their settings where it has several; empty where the rows are of two models."""
    workload: str
    limited: bool
    numbers: dict[str, PairedDifference]
    """By column."""


@dataclass(frozen=True)
class Comparison:
    """What came of comparing."""

    pairs: list[Pair]
    sides: tuple[list[str], list[str]]
    """Of each side the models that are compared, each with its setting."""
    left_out: list[str]
    """What cannot be compared, and why, a line each."""


def compare(one: Sequence[Found], other: Sequence[Found]) -> Comparison:
    """Compare rows case by case: of the same workload, and of the same model unless each side has one of its own.

    Args:
        one: rows of the first side, of any study.
        other: rows of the second.

    Raises:
        InputError: the tokens of a row cannot be read.
    """
    found, left_out = paired(one, other)
    called = names(setting for two in found for setting in two.settings)
    settings = Counter(two.one[1].model for two in {two.settings: two for two in found}.values())
    pairs = []
    for two in found:
        row, beside = two.one[1], two.other[1]
        if numbers := _differences(two.one, two.other):
            name = row.model if row.model == beside.model else ""
            if settings[row.model] > 1:
                name = " : ".join(dict.fromkeys(called[setting] for setting in two.settings))
            pairs.append(Pair(name, row.workload, row.limited or beside.limited, numbers))
        else:
            left_out.append(f"{row.model} × {row.workload}: no prompt was measured on both sides")
    sides = [list(dict.fromkeys(called[two.settings[side]] for two in found)) for side in (0, 1)]
    return Comparison(pairs, (sides[0], sides[1]), [printable(line) for line in left_out])


def table(comparison: Comparison) -> Table:
    """Return a comparison as a table, a row a number."""
    heads = (
        Head("model", rank=0),
        Head("workload"),
        Head("number"),
        Head("A", digits=3),
        Head("B", digits=3),
        Head("B - A", digits=3, signed=True),
        Head("95 % low", digits=3, signed=True),
        Head("95 % high", digits=3, signed=True),
        Head("prompts", digits=0, rank=1),
    )
    return Table("", heads, tuple(_cells(comparison.pairs))).without_empty()


def _cells(pairs: Iterable[Pair]) -> Iterator[tuple[Cell, ...]]:
    for pair in pairs:
        for name, found in pair.numbers.items():
            yield (
                pair.model,
                f"{pair.workload}{'*' if pair.limited else ''}",
                DECLARED[name].title or _TITLES.get(name, name),
                found.one,
                found.other,
                found.other - found.one,
                found.low,
                found.high,
                found.prompts,
            )


def _differences(one: Found, other: Found) -> dict[str, PairedDifference]:
    """How the numbers that both rows have differ."""
    numbers = [_numbers(*found) for found in (one, other)]
    shared = [name for name in numbers[0] if name in numbers[1]]
    found = {name: paired_difference(numbers[0][name], numbers[1][name], one[1].seed) for name in shared}
    return {name: difference for name, difference in found.items() if difference is not None}


def _numbers(path: Path, row: Row) -> dict[str, OverTokens]:
    return over_tokens(read_trace(path, row), row.scoring, costs_of_columns(row.model_dump()))


def refuse_nothing(comparison: Comparison) -> None:
    """Make sure that something was compared.

    Raises:
        InputError: nothing can be; says why.
    """
    if not comparison.pairs:
        why = "; ".join(comparison.left_out) or "there are no rows"
        raise InputError(f"compare: nothing can be compared: {why}; measure both in the same way")
