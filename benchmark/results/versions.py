"""How a JSON file of a results folder stands: a row of today, of another version, damaged, or no row at all.

Rows of other versions are kept and told of, but never mixed with those of today: their columns may mean something else.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.inputs.yaml_reader import explain
from benchmark.metrics.column_types import is_whole
from benchmark.results.folder_scan import irregular, paths_below
from benchmark.results.row import Row
from benchmark.results.row.frame import SCHEMA_VERSION

_ROW_NAME = re.compile(r"-[0-9a-f]{8}\.json\Z")
"""Names of files that were rows once, whatever is in them now."""
_IDENTITY = ("status", "suite", "model", "workload", "configuration")
"""What rows of every version have, as text."""
_WHOLE = tuple(name for name, field in Row.model_fields.items() if is_whole(field))
"""Columns of whole numbers."""


class Standing(StrEnum):
    """What a JSON file is."""

    CURRENT = "current"
    STALE = "stale"
    """A row of an older schema, or of an older minor release of ExitBench."""
    FUTURE = "future"
    """A row of a newer one."""
    DAMAGED = "damaged"
    """It should be a row, and cannot be read as one."""
    LINK = "link"
    """It is a link, or something else that is no file; it may lead anywhere and is not read."""
    FOREIGN = "foreign"
    """It has nothing to do with ExitBench."""


@dataclass(frozen=True)
class RowFile:
    """A JSON file, and what it is."""

    path: Path
    standing: Standing
    row: Row | None = None
    """Of a current row."""
    reason: str = ""
    """Why it is not a current row, and what to do."""
    content: bytes = field(default=b"", repr=False)
    """What is in the file, of rows of any version."""

    @cached_property
    def record(self) -> dict[str, Any] | None:
        """`content` as its columns; None of what is not a row. Made when asked for, because few ask for it."""
        return json.loads(self.content) if self.content else None


def examine(path: Path) -> RowFile | None:
    """Tell what a JSON file is, whatever is in it. None if it is gone: a row is, for a moment, while it is replaced."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        return RowFile(path, Standing.DAMAGED, reason=f"cannot be read: {error.strerror}")
    try:
        row = Row.model_validate_json(content, strict=True)
    except ValidationError:
        return _examine_closely(path, content)
    # Nearly every file is a row of today, and this was the quickest way to see it.
    return _by_release(path, content, row) if row.schema_version == SCHEMA_VERSION else _examine_closely(path, content)


def _examine_closely(path: Path, content: bytes) -> RowFile:
    """Tell what a JSON file is that may be anything."""
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        return _no_row(path, f"is not JSON: {' '.join(str(error).split())[:100]}")
    schema = record.get("schema_version") if isinstance(record, dict) else None
    if type(schema) is not int or not all(isinstance(record.get(name), str) for name in _IDENTITY):
        return _no_row(path, f"has no {', '.join(_IDENTITY)} and schema_version")
    if schema != SCHEMA_VERSION:
        return _of_another_version(
            path, content, schema > SCHEMA_VERSION, f"schema {schema}", f"schema {SCHEMA_VERSION}"
        )
    try:
        row = Row.model_validate_json(content)
    except ValidationError as error:
        problems = explain(error, str(path.name), Row)
        return RowFile(path, Standing.DAMAGED, reason=problems[0].removeprefix(f"{path.name}: "))
    return _by_release(path, content, row)


def _by_release(path: Path, content: bytes, row: Row) -> RowFile:
    """Tell whether a row of today's schema is of today's release, too."""
    if (column := next((name for name in _WHOLE if _overflows(getattr(row, name))), None)) is not None:
        return RowFile(path, Standing.DAMAGED, reason=f"field '{column}': the number is too large")
    theirs, ours = series(row.harness_version), series(harness_version())
    if theirs != ours:
        return _of_another_version(path, content, theirs > ours, row.harness_version, harness_version())
    return RowFile(path, Standing.CURRENT, row, content=content)


def inventory(folder: Path) -> Iterator[RowFile]:
    """Every JSON file below a folder, in the order of the names; links are told of and not followed."""
    for path in paths_below(folder):
        if path.suffix == ".json" or (path.is_symlink() and path.is_dir()):
            problem = irregular(path)
            found = examine(path) if problem is None else RowFile(path, Standing.LINK, reason=problem)
            if found is not None:
                yield found


def remark(folder: Path) -> str | None:
    """One line on the files below a folder that are no current rows, for every command to print; None without any."""
    return remark_on(folder, Counter(found.standing for found in inventory(folder)))


def remark_on(folder: Path, counts: Mapping[Standing, int]) -> str | None:
    """The same of files that have been looked at; `counts` has how many of them stand how, and 0 for the rest."""
    told = [
        f"{counts[standing]} {text}"
        for standing, text in (
            (Standing.STALE, "of an older version (measure again)"),
            (Standing.FUTURE, "of a newer version (update ExitBench)"),
            (Standing.DAMAGED, "damaged"),
            (Standing.LINK, "behind links (not followed)"),
            (Standing.FOREIGN, "not a row"),
        )
        if counts[standing]
    ]
    return f"{folder}: JSON files not counted: {', '.join(told)}" if told else None


@cache
def series(release: str) -> tuple[int, int]:
    """Major and minor number of a release of ExitBench; patches change no number of a row."""
    numbers = re.match(r"(\d{1,9})\.(\d{1,9})", release)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


@cache
def harness_version() -> str:
    """The release that is installed."""
    return version("exitbench")


def _overflows(value: int | list[int] | None) -> bool:
    """Whether a whole number does not fit the 64 bits that arrays and tables have for it."""
    if not value:
        return False
    low, high = (min(value), max(value)) if isinstance(value, list) else (value, value)
    return low < -(2**63) or high >= 2**63


def _no_row(path: Path, reason: str) -> RowFile:
    damaged = _ROW_NAME.search(path.name) is not None
    return RowFile(path, Standing.DAMAGED if damaged else Standing.FOREIGN, reason=reason)


def _of_another_version(path: Path, content: bytes, newer: bool, theirs: str, ours: str) -> RowFile:
    if newer:
        reason = f"is of a newer version, {theirs}, than this one, {ours}; update ExitBench"
        return RowFile(path, Standing.FUTURE, reason=reason, content=content)
    reason = f"is of an older version, {theirs}, and this one has {ours}; measure the case again"
    return RowFile(path, Standing.STALE, reason=reason, content=content)
