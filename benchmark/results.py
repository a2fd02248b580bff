"""The store: a folder of rows, one JSON file a case, written whole or not at all.

    <results folder>/<model>/<workload>/<suite>-<configuration>.json      the row
    <results folder>/<model>/<workload>/<suite>-<configuration>.parquet   its tokens
    <results folder>/table.csv                                            all rows

A row is there only when its case has ended; the JSON file comes last, so that a row always has its tokens.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import pandas as pd
from pydantic import ValidationError

from benchmark.errors import InputError
from benchmark.row import SCHEMA_VERSION, Row


@dataclass(frozen=True)
class Store:
    """A results folder."""

    folder: Path

    def check_writable(self) -> None:
        """Create the folder and try it, so that a wrong one is noticed before anything is measured.

        Raises:
            InputError: the folder cannot be created or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"--results-dir: cannot write to {self.folder}: {reason}; name another folder") from None

    def path(self, model: str, workload: str, suite: str, configuration: str) -> Path:
        """File of one case's row.

        Raises:
            InputError: a name would lead outside the folder.
        """
        names = (model, workload, suite, configuration)
        if any(name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name for name in names):
            raise InputError(f"results cannot be filed under the name '{'/'.join(names)}'")
        return self.folder / model / workload / f"{suite}-{configuration}.json"

    def write(self, path: Path, row: Row, write_tokens: Callable[[Path], None] | None = None) -> Row:
        """Write a row, and its tokens before it, each atomically. Returns the row as it stands on disk."""
        path.parent.mkdir(parents=True, exist_ok=True)
        _as_json(row)  # before anything is replaced
        if write_tokens is not None:
            tokens = path.with_suffix(".parquet")
            with atomic_file(tokens) as draft:
                write_tokens(draft)
            digest = hashlib.sha256(tokens.read_bytes()).hexdigest()
            row = row.model_copy(update={"token_records_sha256": digest})
        with atomic_file(path) as draft:
            draft.write_text(_as_json(row), encoding="utf-8")
        return row

    def write_table(self) -> Path:
        """Rewrite `table.csv` from all rows of the folder: one line a row, without the per-layer lists."""
        table = self.folder / "table.csv"
        with atomic_file(table) as draft:
            read_table(self.folder).to_csv(draft, index=False)
        return table


def _as_json(row: Row) -> str:
    return json.dumps(row.model_dump(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def read_row(path: Path) -> Row | None:
    """The row in a file, or None when the file is missing, damaged or of another schema."""
    try:
        row = Row.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return row if row.schema_version == SCHEMA_VERSION else None


def read_rows(folder: Path) -> Iterator[Row]:
    """Every row below a folder, in the order of the files' names."""
    for path in sorted(folder.rglob("*.json")):
        if (row := read_row(path)) is not None:
            yield row


def read_table(folder: Path) -> pd.DataFrame:
    """Every row below a folder as a table, without the per-layer lists."""
    columns = [name for name, field in Row.model_fields.items() if not _is_list(field.annotation)]
    # Int64 has room for what was not measured; without it one failed case would turn 20 tokens into 20.0.
    whole = {name: "Int64" for name in columns if Row.model_fields[name].annotation in (int, int | None)}
    table = pd.DataFrame([row.model_dump(include=set(columns)) for row in read_rows(folder)], columns=columns)
    return table.astype(whole)


def _is_list(annotation: Any) -> bool:
    return any(get_origin(part) is list for part in get_args(annotation))


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A draft beside `path` that takes its place when the block ends without an exception."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".draft", dir=path.parent)
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        with draft.open("rb") as stream:
            os.fsync(stream.fileno())
        # mkstemp makes files private; results are as readable as anything else the person creates.
        mask = os.umask(0)
        os.umask(mask)
        draft.chmod(0o666 & ~mask)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
