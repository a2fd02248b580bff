"""What lies in a folder of results, by its names and kinds alone: rows, their tokens, the table, and nothing else."""

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from benchmark.atomic_files import is_lock
from benchmark.results.audit.fault import Fault, Verdict
from benchmark.results.folder_scan import irregular

_DEPTH = 3
"""Parts of `<model>/<workload>/<row>`; of a part of the folder, fewer."""


def strays(folder: Path, files: Sequence[Path], rows: Collection[Path]) -> Iterator[Verdict]:
    """A verdict on every file that has no place in a folder of results.

    Args:
        folder: of results, or a part of it.
        files: all that is in it.
        rows: those of them that are rows, whatever may be wrong with them.
    """
    for path in files:
        if (problem := irregular(path)) is not None:
            yield Verdict(path, (Fault("", problem),))
        elif path in rows or path == folder / "table.csv" or is_lock(path):
            continue
        elif path.suffix != ".parquet":
            yield Verdict(path, (Fault("", "is neither a row nor tokens nor the table of the folder; remove it"),))
        elif path.with_suffix(".json") not in rows:
            yield Verdict(path, (Fault("", "these tokens have no row; delete them or add the row"),))


def too_deep(folder: Path, path: Path) -> Iterator[Fault]:
    """Whether a row lies where no command would have put it."""
    if len(path.relative_to(folder).parts) > _DEPTH:
        yield Fault("", f"lies deeper in {folder} than model/workload/row; check the results folder it lies in")


def given_twice(content: bytes) -> Iterator[Fault]:
    """Columns that a row's file has twice: readers differ in which of them they take."""
    again: list[str] = []

    def watch(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        again.extend(sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else [])
        return dict(pairs)

    json.loads(content, object_pairs_hook=watch)
    yield from (Fault(column, "is given twice") for column in again)
