"""The store: a folder of rows, one JSON file a case, written whole or not at all.

    <results folder>/<model>/<workload>/<suite>-<configuration>.json      the row
    <results folder>/<model>/<workload>/<suite>-<configuration>.parquet   its tokens
    <results folder>/table.csv                                            all rows

A row is there only when its case has ended; the JSON file comes last, so that a row always has its tokens. Several
processes may write to one folder; each row keeps the tokens it was computed from, and the table has all rows.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from benchmark.errors import InputError
from benchmark.inputs.fields import Name
from benchmark.messages import cut
from benchmark.results.atomic_files import atomic_file, locked, remove_forgotten_drafts
from benchmark.results.row import Row
from benchmark.results.versions import examine, inventory
from benchmark.trace.record import Trace

_NAMES = TypeAdapter(list[Name])


@dataclass(frozen=True)
class Store:
    """A results folder."""

    folder: Path

    def check_writable(self, option: str = "--results-dir") -> None:
        """Create the folder and try it, so that a wrong one is noticed before anything is measured.

        Drafts that killed writers left there a day ago or earlier are removed.

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
        remove_forgotten_drafts(self.folder)

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

    def write(self, path: Path, row: Row, write_tokens: Callable[[Path], None] | None = None) -> Row:
        """Write a row, and its tokens before it, each atomically. Returns the row as it stands on disk."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            return self._write(path, row, write_tokens)

    def update(self, path: Path, change: Callable[[Row], Row]) -> Row:
        """Replace a row by what `change` makes of it, with no change of another process lost in between.

        Raises:
            InputError: the row is gone.
        """
        if path.parent.is_dir():
            with locked(path):
                if (row := read_row(path)) is not None:
                    return self._write(path, change(row), None)
        raise InputError(f"{path}: is gone; measure the case again")

    def _write(self, path: Path, row: Row, write_tokens: Callable[[Path], None] | None) -> Row:
        _as_json(row)  # before anything is replaced
        with atomic_file(path) as draft:
            if write_tokens is not None:
                with atomic_file(path.with_suffix(".parquet")) as tokens:
                    write_tokens(tokens)
                    row = row.model_copy(update={"token_records_sha256": sha256(tokens)})
                    draft.write_text(_as_json(row), encoding="utf-8")
            else:
                draft.write_text(_as_json(row), encoding="utf-8")
        return row

    def write_table(self) -> Path:
        """Rewrite `table.csv` from all rows of the folder: one line a row, without the per-layer lists."""
        table = self.folder / "table.csv"
        # Under the lock rows are read and written as one, so the last of several writers has seen the rows of all.
        with locked(table), atomic_file(table) as draft:
            read_table(self.folder).to_csv(draft, index=False)
        return table


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


def _as_json(row: Row) -> str:
    return json.dumps(row.model_dump(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def read_row(path: Path) -> Row | None:
    """The row in a file, or None when the file is missing, damaged or of another version."""
    return examine(path).row


def read_tokens(path: Path, row: Row) -> Trace:
    """The tokens beside a row.

    Raises:
        InputError: they are missing, damaged, or not those the row was computed from.
    """
    return Trace.read_parquet(intact_tokens(path, row.token_records_sha256))


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


def read_rows(folder: Path) -> Iterator[Row]:
    """Every row of this version below a folder, in the order of the files' names; `standing.remark` tells of others."""
    for found in inventory(folder):
        if found.row is not None:
            yield found.row


def read_table(folder: Path, lists: bool = False) -> pd.DataFrame:
    """Every row of this version below a folder as a table, without the per-layer lists or with each as a cell."""
    columns = [name for name, field in Row.model_fields.items() if lists or not _is_list(field.annotation)]
    # Int64 has room for what was not measured; without it one failed case would turn 20 tokens into 20.0.
    whole = {name: "Int64" for name in columns if Row.model_fields[name].annotation in (int, int | None)}
    table = pd.DataFrame([row.model_dump(include=set(columns)) for row in read_rows(folder)], columns=columns)
    return table.astype(whole)


def _is_list(annotation: Any) -> bool:
    return any(get_origin(part) is list for part in get_args(annotation))
