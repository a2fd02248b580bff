"""The results folder of several ranks: rank 0 alone reads and writes it, and tells the others what came of it.

All ranks must ask for the same in the same order, else they wait for each other.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmark.errors import ExitBenchError, MeasurementError
from benchmark.metrics.experiments.studies import Record
from benchmark.ranks import of_all, of_first, rank
from benchmark.results.row import Row
from benchmark.results.store import Store

T = TypeVar("T")


class RankedStore(Store):
    """A results folder, as each of several ranks sees it."""

    def check_writable(self, option: str = "--results-dir") -> None:
        """Create the folder and try it.

        Raises:
            InputError: it cannot be created or written.
        """
        _by_first(lambda: super(RankedStore, self).check_writable(option))

    def read(self, path: Path) -> Row | None:
        """Return the row that rank 0 reads in a file; so all ranks agree on what an earlier run has finished."""
        return _by_first(lambda: super(RankedStore, self).read(path))

    def tokens(self, path: Path, row: Row) -> Record:
        """Return the tokens of a row.

        Raises:
            InputError: they are missing, damaged, or not those the row was computed from.
        """
        return _by_first(lambda: super(RankedStore, self).tokens(path, row))

    @contextmanager
    def claim(self, path: Path, waiting: Callable[[str], None] = lambda holder: None) -> Iterator[None]:
        """Hold a case for all ranks: inside the block no other session measures it.

        Raises:
            InputError: the folder cannot be written; so it is with all that writes.
        """
        with ExitStack() as held:
            _by_first(lambda: held.enter_context(super(RankedStore, self).claim(path, waiting)))
            yield

    def write(self, path: Path, row: Row, record: Record | None = None) -> Row:
        """Write the row of rank 0, and its tokens, once all ranks have the same tokens and exits.

        Raises:
            MeasurementError: they do not.
        """
        digests = of_all(None if record is None else _digest(record))
        if len(set(digests)) > 1:
            others = [str(number) for number, digest in enumerate(digests) if digest != digests[0]]
            raise MeasurementError(
                f"ranks disagree: rank {', '.join(others)} has other tokens or exits than rank 0; report this model"
            )
        return _by_first(lambda: super(RankedStore, self).write(path, row, record))

    def update(self, path: Path, change: Callable[[Row], Row]) -> Row:
        """Replace a row by what `change` makes of it.

        Raises:
            InputError: the row is gone.
        """
        return _by_first(lambda: super(RankedStore, self).update(path, change))

    def write_table(self) -> Path:
        """Rewrite `table.csv`, on rank 0; no rank waits for it."""
        return super().write_table() if rank() == 0 else self.folder / "table.csv"


def _by_first(act: Callable[[], T]) -> T:
    """Return what rank 0 gets, or raise what it runs into, on every rank."""
    value: Any = None
    error: ExitBenchError | None = None
    if rank() == 0:
        try:
            value = act()
        except ExitBenchError as problem:
            error = problem
    # A context that was entered returns None; whatever else is told is plain data.
    failed, told = of_first((error is not None, error if error is not None else value))
    if failed:
        raise error or told
    result: T = told
    return result


def _digest(record: Record) -> str:
    """Return a hash of the tokens and exits of a record, and of all else in it that is no floating-point number."""
    digest = hashlib.sha256()
    for column in fields(record):
        value = getattr(record, column.name)
        if isinstance(value, np.ndarray) and value.dtype.kind in "biu":
            digest.update(f"{column.name} {value.dtype} {value.shape}".encode() + value.tobytes())
    return digest.hexdigest()
