"""From a folder of results to the rows that can be listed, and the names of those that cannot."""

from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import InputError
from benchmark.messages import printable
from benchmark.metrics.column_types import holds, is_list
from benchmark.results.comparable import FAILED, GIVEN, LIMITED, not_a_full_run
from benchmark.results.row import Row
from benchmark.results.versions import Standing, inventory

LISTS = tuple(name for name, field in Row.model_fields.items() if is_list(field))
"""Columns that are lists; everything else is in `rows.csv`."""
LARGEST = 1e30
"""Squares of squares of larger numbers are no numbers any more."""
_NUMBERS = tuple(name for name, field in Row.model_fields.items() if holds(field, float) or holds(field, int))
_SHOWN = 4
_LONGEST = 80
_REASONS = {
    Standing.STALE: "of an older version, to be measured again",
    Standing.FUTURE: "of a newer version, for which ExitBench must be updated",
    Standing.DAMAGED: "damaged",
    Standing.FOREIGN: "not a row",
}


@dataclass(frozen=True)
class Entry:
    """A row and where it stands."""

    file: Path
    """Relative to the results folder."""
    row: Row
    """Without its lists, which would fill the memory."""


@dataclass(frozen=True)
class LeftOut:
    """Rows that are not listed, for one reason."""

    reason: str
    rows: list[tuple[str, str]]
    """Name of each, and what there is to say about it."""

    def __str__(self) -> str:
        """How many, why, and the first of their names, in one line of a terminal."""
        names = [_short(name) for name, _ in self.rows[:_SHOWN]]
        names += [f"and {len(self.rows) - _SHOWN} more"] * (len(self.rows) > _SHOWN)
        return f"{len(self.rows)} {self.reason} ({', '.join(names)})"


@dataclass(frozen=True)
class FolderRows:
    """What is in a folder of results, in the order of the files' names."""

    entries: list[Entry]
    """Rows that can be listed."""
    left_out: list[LeftOut]
    """The others, and files that are no rows of today."""
    rows: list[tuple[Path, Row]]
    """Every row of today with its file, without its lists."""


def read_entries(folder: Path, limited: bool) -> FolderRows:
    """Read every row below a folder, once.

    Args:
        folder: of results.
        limited: whether limited runs are listed, like full ones that went well.

    Raises:
        InputError: there is no such folder, or no row in it that can be listed.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name a folder of results, such as results/local")
    entries, rows = [], []
    left_out: dict[str, list[tuple[str, str]]] = {}
    for found in inventory(folder):
        file = found.path.relative_to(folder)
        if found.row is None:
            left_out.setdefault(_REASONS[found.standing], []).append((str(file), found.reason))
            continue
        row = found.row.model_copy(update=dict.fromkeys(LISTS))
        if any(abs(getattr(row, name) or 0) > LARGEST for name in _NUMBERS):
            left_out.setdefault("with a number beyond all bounds", []).append((str(file), ""))
            continue
        rows.append((found.path, row))
        reason = not_a_full_run(row)
        if reason is None or (reason == LIMITED and limited):
            entries.append(Entry(file, row))
        else:
            left_out.setdefault(reason, []).append(_told(file, row, reason))
    reasons_left_out = [LeftOut(reason, some) for reason, some in left_out.items()]
    if not entries:
        reasons = "; ".join(map(str, reasons_left_out)) or "it holds no rows"
        remedy = "measure with: pytest suites/ --results-dir FOLDER"
        if LIMITED in left_out:
            remedy = "list them with --limited, or measure without --limit"
        raise InputError(f"{folder}: nothing to list: {reasons}; {remedy}")
    return FolderRows(entries, reasons_left_out, rows)


def _told(file: Path, row: Row, reason: str) -> tuple[str, str]:
    """Return what a row that is left out is called, and what there is to say about it."""
    case = f"{row.model} × {row.workload}"
    if reason in (FAILED, GIVEN):
        return case, row.error or ""
    return (case, f"{row.prompts} prompts") if reason == LIMITED else (str(file), row.suite)


def _short(name: str) -> str:
    """A name from anywhere, so that it neither moves the cursor nor fills the screen."""
    name = printable(name)
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
