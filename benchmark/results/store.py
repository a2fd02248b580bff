"""The store: a folder of rows, one JSON file a case, written whole or not at all.

    <results folder>/<model>/<workload>/<suite>-<configuration>.json      the row
    <results folder>/<model>/<workload>/<suite>-<configuration>.parquet   its tokens
    <results folder>/table.csv                                            all rows

A row is there only when its case has ended; the JSON file comes last, so that a row always has its tokens. Several
processes may write to one folder; each row keeps the tokens it was computed from, and the table has all rows.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from benchmark.atomic_files import atomic_file, locked, remove_forgotten, sync
from benchmark.errors import InputError
from benchmark.inputs.fields import Name
from benchmark.messages import cut, printable
from benchmark.metrics.experiments.studies import Record, recorded
from benchmark.results.row import Row
from benchmark.results.versions import examine
from benchmark.trace.record import Trace

_NAMES = TypeAdapter(list[Name])


class RowStore(Protocol):
    """Where `run_job` finds rows and leaves them."""

    def path(self, model: str, workload: str, suite: str, configuration: str) -> Path:
        """Return the file of one case's row."""

    def claim(self, path: Path, waiting: Callable[[str], None]) -> AbstractContextManager[None]:
        """Hold a case: inside the block no other process measures it."""

    def read(self, path: Path) -> Row | None:
        """Return the row of an earlier run, or None."""

    def tokens(self, path: Path, row: Row) -> Record:
        """Return the tokens of a row."""

    def write(self, path: Path, row: Row, record: Record | None = None) -> Row:
        """Write a row and its tokens; returns the row as it stands then."""

    def update(self, path: Path, change: Callable[[Row], Row]) -> Row:
        """Replace a row by what `change` makes of it."""


@dataclass(frozen=True)
class Store:
    """A results folder."""

    folder: Path

    def check_writable(self, option: str = "--results-dir") -> None:
        """Create the folder and try it, so that a wrong one is noticed before anything is measured.

        What killed writers left there is removed.

        Args:
            option: what the person names the folder by.

        Raises:
            InputError: the folder cannot be created or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"{option}: cannot write to {self.folder}: {reason}; name another folder") from None
        remove_forgotten(self.folder)

    def path(self, model: str, workload: str, suite: str, configuration: str) -> Path:
        """File of one case's row.

        Raises:
            InputError: a name is none that the model file could hold, so it might lead outside the folder.
        """
        names = [model, workload, suite, configuration]
        try:
            _NAMES.validate_python(names)
        except ValidationError:
            raise InputError(f"results cannot be filed under the name {cut('/'.join(names))}") from None
        return self.folder / model / workload / f"{suite}-{configuration}.json"

    def read(self, path: Path) -> Row | None:
        """Return the row in a file, or None when it is missing, damaged or of another version."""
        found = examine(path)
        return found.row if found else None

    def tokens(self, path: Path, row: Row) -> Record:
        """Return the tokens of a row.

        Raises:
            InputError: they are missing, damaged, or not those the row was computed from.
        """
        return read_tokens(path, row)

    @contextmanager
    def claim(self, path: Path, waiting: Callable[[str], None] = lambda holder: None) -> Iterator[None]:
        """Hold a case: inside the block no other process measures it.

        Args:
            path: of its row.
            waiting: told once who holds it, when somebody does; then this process waits.

        Raises:
            InputError: the folder cannot be written; so it is with all that writes.
        """
        with ExitStack() as held:
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                # Apart from the lock of the row, which is held while files are replaced and no longer.
                held.enter_context(locked(path.with_suffix(".case"), waiting))
            yield

    def write(self, path: Path, row: Row, record: Record | None = None) -> Row:
        """Write a row, and its tokens before it, each atomically. Returns the row as it stands on disk.

        At any moment the row there is whole: of one that is replaced nothing is left when its tokens change.
        """
        return self._locked_write(path, row, None if record is None else record.write_parquet)

    def update(self, path: Path, change: Callable[[Row], Row]) -> Row:
        """Replace a row by what `change` makes of it, with no change of another process lost in between.

        Raises:
            InputError: the row is gone.
        """
        if path.parent.is_dir():
            with writing(path), locked(path):
                if (row := self.read(path)) is not None:
                    return _write(path, change(row), None)
        raise InputError(f"{path}: is gone; measure the case again")

    def take(self, path: Path, row: Row, tokens: bytes | None) -> Row:
        """Write a row that was measured elsewhere, with the bytes of its tokens; returns the row that is there then.

        A row that went well and is there already stays.

        Raises:
            InputError: it is another row than its place says, or these are not its tokens.
        """
        if (problem := misplaced(path, row.model_dump())) is not None:
            raise InputError(f"{printable(path)}: a row was sent for it that is not its own: {problem}")
        digest = None if tokens is None else hashlib.sha256(tokens).hexdigest()
        if digest != row.token_records_sha256:
            raise InputError(f"{printable(path)}: a row was sent without the tokens it was computed from")
        there = self.read(path)
        if there is not None and there.status == "ok":
            return there
        return self._locked_write(path, row, None if tokens is None else lambda draft: draft.write_bytes(tokens))

    def _locked_write(self, path: Path, row: Row, write_tokens: Callable[[Path], object] | None) -> Row:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path):
                return _write(path, row, write_tokens)

    def write_table(self) -> Path:
        """Rewrite `table.csv` from all rows of the folder: one line a row, without the per-layer lists."""
        # pandas takes half a second to import, and only whoever writes a table needs it.
        from benchmark.results.table import read_table

        table = self.folder / "table.csv"
        # Under the lock rows are read and written as one, so the last of several writers has seen the rows of all.
        with writing(table), locked(table), atomic_file(table) as draft:
            # As text: pandas takes some paths for addresses, and a folder called ~ for that of the user.
            draft.write_text(read_table(self.folder).to_csv(index=False), encoding="utf-8", newline="")
        return table


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside the block what the system refuses becomes an error that names a file.

    Raises:
        InputError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        reason = " ".join(str(error.strerror or error).split())
        remedy = "make room there, or write to another folder"
        raise InputError(f"{printable(path)}: cannot be written: {reason}; {remedy}") from None


def misplaced(path: Path, row: Mapping[str, Any]) -> str | None:
    """How a row's file is not called, or does not lie, as its columns say; None if it does."""
    try:
        expected = Store(Path()).path(*(row[column] for column in ("model", "workload", "suite", "configuration")))
    except InputError as error:
        return str(error)
    found = path.absolute().parts[-3:]
    return (
        None if found == expected.parts else f"by its columns it belongs at {expected}, and it lies at {Path(*found)}"
    )


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's content, as rows have it of their tokens."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write(path: Path, row: Row, write_tokens: Callable[[Path], object] | None) -> Row:
    row.as_json()  # before anything is replaced
    with atomic_file(path) as draft:
        if write_tokens is not None:
            with atomic_file(path.with_suffix(".parquet")) as tokens:
                write_tokens(tokens)
                row = row.model_copy(update={"token_records_sha256": sha256(tokens)})
                draft.write_text(row.as_json(), encoding="utf-8")
                sync(tokens)
                sync(draft)  # from here on nothing needs more room, and the row that is there may go
                path.unlink(missing_ok=True)
        else:
            draft.write_text(row.as_json(), encoding="utf-8")
    return row


def read_tokens(path: Path, row: Row) -> Record:
    """Return the tokens beside a row, as its study records them.

    Raises:
        InputError: they are missing, damaged, or not those the row was computed from.
    """
    return recorded(row.suite).record.read_parquet(intact_tokens(path, row.token_records_sha256))


def read_trace(path: Path, row: Row) -> Trace:
    """Return the trace beside a row of the oracle study.

    Raises:
        InputError: it is missing, damaged, not what the row was computed from, or the row is of another study.
    """
    record = read_tokens(path, row)
    if not isinstance(record, Trace):
        raise InputError(f"{path}: is a row of the study '{row.suite}', which has no trace of all exits")
    return record


def intact_tokens(path: Path, digest: str | None) -> Path:
    """The file of the tokens beside a row's file, once it is known to hold those the row was computed from.

    Args:
        path: of the row.
        digest: what the row says of its tokens, `token_records_sha256`.

    Raises:
        InputError: they are missing, or others.
    """
    tokens = path.with_suffix(".parquet")
    try:
        found = sha256(tokens)
    except OSError as error:
        raise InputError(f"{tokens}: {error.strerror}; measure the case again") from None
    if found != digest:
        raise InputError(f"{tokens}: these are not the tokens that {path.name} was computed from; measure it again")
    return tokens
