"""Lines: the rows of one model in one setting, and which of them can be compared with those of others.

A line never mixes settings: another revision, dtype, quantization or device is another line. The batch size is not
part of it, because a row records the largest batch that came about, which depends on the prompts.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.report.board.means import Mean
from benchmark.report.board.rows import Entry
from benchmark.report.board.setting import setting_of
from benchmark.results.comparable import OLDER, asked_otherwise, newest
from benchmark.results.row import Row

KINDS = ("decoder", "encoder-decoder", "encoder", "unknown")
"""What is ranked apart, in the order of the tables."""
NOT_RANKED = "the workload is not of the ranking"
_PART = 24  # characters of a part of a setting, enough of a revision, unless that leaves two lines with one label


@dataclass
class Line:
    """A model in one setting."""

    label: str
    """Name of the model, and what tells it from its other lines; no two lines have one label."""
    newest: Row
    """The row that says what the model is."""
    kind: str
    """One of `KINDS`."""
    counted: dict[str, Entry]
    """Of each workload the row that can be compared."""
    others: list[tuple[Entry, str]]
    """Further rows, and why they do not count."""
    workloads: tuple[str, ...] = ()
    """Those of the ranking that the line is part of."""
    unranked: str | None = None
    """Why it has no rank."""
    means: dict[str, Mean] = field(default_factory=dict)
    """Over those workloads of the ranking that were measured."""
    eas_relative: float | None = None
    """EAS over that of the reference, on the workloads that both were measured on."""
    ranks: dict[str, int] = field(default_factory=dict)
    """By EAS and by skip ratio, from 1; equal numbers have equal ranks."""

    @property
    def of_ranking(self) -> list[Entry]:
        """The rows that the means are over."""
        return [self.counted[workload] for workload in self.workloads if workload in self.counted]

    @property
    def over(self) -> str:
        """What its means are over: how many workloads, or the name of the only one."""
        names = [entry.row.workload for entry in self.of_ranking]
        return names[0] if len(names) == 1 else f"mean of {len(names)} workloads"

    @property
    def rows(self) -> list[tuple[Entry, str | None]]:
        """All of its rows, by workload, each with why it does not count in the means."""
        counted = [(entry, None if name in self.workloads else NOT_RANKED) for name, entry in self.counted.items()]
        return sorted([*counted, *self.others], key=lambda pair: (pair[0].row.workload, pair[0].file))


def lines(entries: Sequence[Entry]) -> list[Line]:
    """Return the rows by model and setting; of several rows of a line on one workload, the newest counts.

    Args:
        entries: in the order of their files, which decides between rows measured at the same time.
    """
    # Limited runs have prompts of their own anyhow, and are not ranked.
    full = [entry for entry in entries if not entry.row.limited]
    asked = asked_otherwise([entry.row for entry in full])
    otherwise = {id(entry): reason for entry, reason in zip(full, asked, strict=True) if reason is not None}
    groups: dict[Hashable, list[Entry]] = {}
    for entry in sorted(entries, key=_started):
        groups.setdefault(tuple(_setting(entry.row).values()), []).append(entry)
    found = [_line(group, otherwise) for group in groups.values()]
    _label(found)
    return found


def _line(group: Sequence[Entry], otherwise: Mapping[int, str]) -> Line:
    alike = [entry for entry in group if id(entry) not in otherwise]
    is_newest = newest([entry.row.workload for entry in alike], [entry.row.started for entry in alike])
    counted = {entry.row.workload: entry for entry, kept in zip(alike, is_newest, strict=True) if kept}
    others = [(entry, otherwise[id(entry)]) for entry in group if id(entry) in otherwise]
    others += [(entry, OLDER) for entry, kept in zip(alike, is_newest, strict=True) if not kept]
    last = group[-1].row
    return Line(last.model, last, _kind(last.architecture), dict(sorted(counted.items())), others)


def _started(entry: Entry) -> str:
    return entry.row.started


def _setting(row: Row) -> dict[str, Any]:
    """Return what the rows of a line have in common."""
    return {**setting_of(row)._asdict(), "limited": "limited" if row.limited else None}


def _kind(architecture: str | None) -> str:
    if architecture is None:
        return "unknown"
    return architecture if architecture in KINDS else "decoder"


def _label(found: Sequence[Line]) -> None:
    """Give every line a label that no other has: the name of its model, and what the lines of that model differ in."""
    parts = _differences(found)
    labels = [_joined(line, [part[:_PART] for part in own]) for line, own in zip(found, parts, strict=True)]
    lines_of = Counter(labels)
    taken: set[str] = set()
    for line, label, own in zip(found, labels, parts, strict=True):
        wanted = label if lines_of[label] == 1 else _joined(line, own)
        line.label, number = wanted, 1
        while line.label in taken:  # as with a model whose name is the label of another's line
            number += 1
            line.label = f"{wanted} {number}"
        taken.add(line.label)


def _differences(found: Sequence[Line]) -> list[list[str]]:
    """Return for each line the parts of its setting in which the lines of its model differ."""
    settings = [_setting(line.newest) for line in found]
    values: dict[tuple[str, str], set[Any]] = {}
    for own in settings:
        for name, value in own.items():
            values.setdefault((own["model"], name), set()).add(value)
    return [
        [str(value) for name, value in own.items() if value is not None and len(values[own["model"], name]) > 1]
        for own in settings
    ]


def _joined(line: Line, parts: Sequence[str]) -> str:
    return f"{line.newest.model} ({', '.join(parts)})" if parts else line.newest.model
