"""Who stands where: the workloads that models are ranked on, their ranks, and their EAS relative to a reference."""

import bisect
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmark.errors import InputError
from benchmark.report.board.lines import KINDS, Line, lines
from benchmark.report.board.means import arithmetic_mean, means
from benchmark.report.board.rows import Entry
from benchmark.results.row import Row

REFERENCE = "Llama-2-7b-hf"
"""The reference model of the study."""
_RANKED = ("eas", "skip_ratio")
_NAMED = 8
_ASKED_OTHERWISE = "another α, other prompts or another number of new tokens than most rows"


@dataclass(frozen=True)
class Leaderboard:
    """Everything in its order, before it is written in any form."""

    lines: list[Line]
    """By kind, then by rank of EAS, then by name."""
    workloads: dict[str, tuple[str, ...]]
    """What each kind of model is ranked on."""
    reference: Line | None
    """The model whose EAS is 1."""

    @property
    def by_skip_ratio(self) -> list[Line]:
        """The lines in the order of the page: by kind, then by rank of skip ratio, then by name."""
        return sorted(self.lines, key=lambda line: _place(line, "skip_ratio"))

    @property
    def pictured(self) -> list[Line]:
        """Those that pictures of a few lines are of, the first one first: those with a rank, where there are any."""
        shown = self.by_skip_ratio
        return [line for line in shown if line.unranked is None] or shown

    @property
    def laddered(self) -> Line | None:
        """The one whose ladder is shown: the first of `pictured` whose gates were measured, where there is one."""
        gates = (line for line in self.pictured if line.means["gate_speed_99"].value is not None)
        return next(gates, next(iter(self.pictured), None))


def arrange(entries: Sequence[Entry], reference: str | None = None) -> Leaderboard:
    """Rank the lines. A decoder is not ranked with encoders: they do not see the same workloads.

    Args:
        entries: rows that went well.
        reference: name of the model whose EAS is 1; `REFERENCE`, if it is there, when left out.

    Raises:
        InputError: no full run of the reference is among the rows.
    """
    found = lines(entries)
    workloads = {}
    for kind in KINDS:
        some = [line for line in found if line.kind == kind]
        if kind != "unknown":
            workloads[kind] = common_workloads(line.counted for line in some if _excluded(line.newest) is None)
        for line in some:
            line.workloads = workloads.get(kind) or tuple(line.counted)
            line.unranked = _unranked(line)
            line.means = means([entry.row for entry in line.of_ranking])
        for measure in _RANKED:
            _rank(some, measure)
    chosen = _reference(found, reference)
    if chosen is not None:
        for line in found:
            line.eas_relative = _relative(line, chosen)
    found.sort(key=lambda line: _place(line, "eas"))
    return Leaderboard(found, {kind: names for kind, names in workloads.items() if names}, chosen)


def common_workloads(measured: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Workloads to rank on: those with which most rows count, when only models that have all of them do.

    Args:
        measured: of each model, the workloads it was measured on.
    """
    sets: Counter[frozenset[str]] = Counter(frozenset(some) for some in measured)

    def rows(names: frozenset[str]) -> tuple[int, int, list[str]]:
        return len(names) * sum(count for some, count in sets.items() if names <= some), len(names), sorted(names)

    best: frozenset[str] = max(sets, key=rows, default=frozenset())
    return tuple(sorted(best))


def _excluded(row: Row) -> str | None:
    if row.limited:
        return "limited"
    return "training checkpoint" if row.checkpoint else None


def _unranked(line: Line) -> str | None:
    if (reason := _excluded(line.newest)) is not None:
        return reason
    if line.kind == "unknown":
        return "architecture not known"
    if not line.counted:
        return _ASKED_OTHERWISE
    missing = len(line.workloads) - len(line.of_ranking)
    return f"workloads missing: {missing} of {len(line.workloads)}" if missing else None


def _place(line: Line, measure: str) -> tuple[int, float, str]:
    """Return a key that sorts lines by kind, then by rank of a measure, those without one last, then by name."""
    return KINDS.index(line.kind), line.ranks.get(measure, math.inf), line.label


def _rank(some: Sequence[Line], measure: str) -> None:
    """Number the lines that can be ranked, the largest mean first."""
    known = [(line, value) for line in some if not line.unranked and (value := line.means[measure].value) is not None]
    ascending = sorted(value for _, value in known)
    for line, value in known:
        line.ranks[measure] = 1 + len(known) - bisect.bisect_right(ascending, value)


def _reference(found: Sequence[Line], name: str | None) -> Line | None:
    """The line of that model with most workloads; on a tie, the newest."""
    own = [line for line in found if line.newest.model == (name or REFERENCE) and not line.newest.limited]
    if name and not own:
        models = sorted({line.newest.model for line in found})
        names = ", ".join([*models[:_NAMED], *["…"] * (len(models) > _NAMED)])
        raise InputError(f"--reference: no full run of {name} is among the rows; there are {names}")
    return max(own, key=lambda line: (len(line.of_ranking), line.newest.started), default=None)


def _relative(line: Line, reference: Line) -> float | None:
    both = [workload for workload in line.counted if workload in reference.counted]
    own, others = (arithmetic_mean([each.counted[name].row for name in both], "eas") for each in (line, reference))
    return own / others if own is not None and others else None
