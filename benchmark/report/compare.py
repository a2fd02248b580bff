"""Two sets of rows beside each other: what differs on the workloads that both have, with paired intervals over prompts.

Rows are compared where they were asked the same: study, prompts, tokens a prompt, whose texts, and how EAS is weighed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import InputError
from benchmark.messages import printable
from benchmark.metrics.over_tokens import over_tokens
from benchmark.metrics.statistics.bootstrap import OverTokens, PairedDifference, paired_difference
from benchmark.report.tables import Cell, Head, Table
from benchmark.results.comparable import STUDY, newest
from benchmark.results.row import DECLARED, Row
from benchmark.results.store import read_trace
from benchmark.trace.costs import costs_of_columns

Found = tuple[Path, Row]
"""A row and its file."""
_ALIKE = {
    "capture": "other texts, decoded or given",
    "texts_sha256": "other given texts",
    "workload_kind": "prompts put in another way",
    "prompts_sha256": "other prompts",
    "max_new_tokens": "another number of new tokens",
    "alpha": "another alpha; score both alike with exitbench recompute",
}
"""Columns that must be equal, and what is said where they are not."""
_TITLES = {"skip_ratio_settled": "settled skips", "speedup_bound_settled": "settled"}
"""Titles of columns that have none of their own."""


@dataclass(frozen=True)
class Pair:
    """Two rows of one workload, and how their numbers differ."""

    model: str
    """Of both rows; empty where they are of two models."""
    workload: str
    limited: bool
    numbers: dict[str, PairedDifference]
    """By column."""


@dataclass(frozen=True)
class Comparison:
    """What came of comparing."""

    pairs: list[Pair]
    left_out: list[str]
    """What cannot be compared, and why, a line each."""


def compare(one: Sequence[Found], other: Sequence[Found]) -> Comparison:
    """Compare rows case by case: of the same workload, and of the same model unless each side has but one.

    Args:
        one: rows of the first side, of any study.
        other: rows of the second.

    Raises:
        InputError: the tokens of a row cannot be read.
    """
    two_models = all(len({row.model for _, row in side}) == 1 for side in (one, other))
    sides = [_by_case(side, two_models) for side in (one, other)]
    pairs, left_out = [], []
    for case in dict.fromkeys([*sides[0], *sides[1]]):
        found = [side.get(case) for side in sides]
        name = " × ".join(filter(None, case))
        if found[0] is None or found[1] is None:
            left_out.append(f"{name}: only {'A' if found[1] is None else 'B'} has it")
        elif (reason := _refusal(found[0][1], found[1][1])) is not None:
            left_out.append(f"{name}: {reason}")
        elif numbers := _differences(found[0], found[1]):
            pairs.append(Pair(*case, limited=found[0][1].limited or found[1][1].limited, numbers=numbers))
        else:
            left_out.append(f"{name}: no prompt was measured on both sides")
    return Comparison(pairs, [printable(line) for line in left_out])


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


def _by_case(side: Iterable[Found], two_models: bool) -> dict[tuple[str, str], Found]:
    """The row of each (model, workload): of the oracle study if there is one, the newest."""
    rows = [found for found in side if found[1].status == "ok"]
    studied = {(row.model, row.workload) for _, row in rows if row.suite == STUDY}
    rows = [found for found in rows if found[1].suite == STUDY or (found[1].model, found[1].workload) not in studied]
    cases = [("" if two_models else row.model, row.workload) for _, row in rows]
    last = newest(cases, [row.started for _, row in rows])
    return {case: found for case, found, kept in zip(cases, rows, last, strict=True) if kept}


def _refusal(one: Row, other: Row) -> str | None:
    """Why two rows cannot be compared, or None."""
    studies = one.suite, other.suite
    if studies != (STUDY, STUDY):
        return f"of the studies {studies[0]} and {studies[1]}; only rows of the study {STUDY} are compared"
    for column, what in _ALIKE.items():
        if getattr(one, column) != getattr(other, column):
            return what
    if one.workload_kind == "masked" and one.seed != other.seed:
        return "other tokens were masked, by another seed"
    return None


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
