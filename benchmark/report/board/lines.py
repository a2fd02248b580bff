"""Lines: the rows of one model in one setting, and which of them can be compared with those of others.

A line never mixes settings: another revision, dtype, quantization or device is another line. The batch size is not
part of it, because a row records the largest batch that came about, which depends on the prompts.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.report.board.means import Mean
from benchmark.report.board.rows import Entry
from benchmark.results.comparable import OLDER, asked_otherwise, newest
from benchmark.results.row import Row

KINDS = ("decoder", "encoder-decoder", "encoder", "unknown")
"""What is ranked apart, in the order of the tables."""
NOT_RANKED = "the workload is not of the ranking"
_PART = 24  # characters of a part of a setting, enough of a revision


@dataclass
class Line:
    """A model in one setting."""

    label: str
    """Name of the model, and what tells it from its other lines."""
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
    """What the rows of a line have in common."""
    return {
        "model": row.model,
        "dtype": row.dtype,
        "quantization": row.quantization,
        "device": row.device,
        "limited": "limited" if row.limited else None,
        "revision": row.revision,
        "source": row.source,
    }


def _kind(architecture: str | None) -> str:
    if architecture is None:
        return "unknown"
    return architecture if architecture in KINDS else "decoder"


def _label(found: Sequence[Line]) -> None:
    """Add to the name of a model with several lines what they differ in."""
    by_model: dict[str, list[Line]] = {}
    for line in found:
        by_model.setdefault(line.newest.model, []).append(line)
    for some in by_model.values():
        settings = [_setting(line.newest) for line in some]
        differ = [name for name in settings[0] if len({setting[name] for setting in settings}) > 1]
        for line, setting in zip(some, settings, strict=True):
            if parts := [str(setting[name])[:_PART] for name in differ if setting[name] is not None]:
                line.label += f" ({', '.join(parts)})"
