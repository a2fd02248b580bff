"""From a workload file to prompts."""

import gzip
import itertools
import json
import string
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmark.errors import CannotRun, InputError
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.models.hub import Hub


def read_prompts(spec: WorkloadEntry, count: int, hub: Hub) -> list[str]:
    """The first `count` prompts of a workload, in file order; fewer when it has fewer.

    Raises:
        CannotRun: the data are not on this machine and cannot or may not be fetched.
        InputError: the data are unreadable, a field is missing, or a prompt is empty.
    """
    prompts = []
    for number, record in enumerate(itertools.islice(_records(spec, count, hub), count), start=1):
        if not isinstance(record, Mapping):
            raise InputError(f"{spec.where('source')}: record {number} is not an object with fields")
        prompts.append(_render(spec, record, number))
    if not prompts:
        raise InputError(f"{spec.where('source')}: '{spec.source.file}' has no prompts")
    return prompts


def _render(spec: WorkloadEntry, record: Mapping[str, Any], number: int) -> str:
    field = "field" if spec.field is not None else "template"
    try:
        text = record[spec.field] if spec.field is not None else _Template().vformat(spec.template or "", (), record)
    except LookupError as error:
        known = ", ".join(record)
        raise InputError(f"{spec.where(field)}: record {number} has no {error}; its fields: {known}") from None
    except ValueError as error:
        raise InputError(f"{spec.where(field)}: not usable as a template: {error}") from None
    if not isinstance(text, str):
        raise InputError(f"{spec.where(field)}: record {number} is no text, but {type(text).__name__}")
    if not text.strip():
        raise InputError(f"{spec.where(field)}: record {number} gives an empty prompt")
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


def _records(spec: WorkloadEntry, count: int, hub: Hub) -> Iterable[Any]:
    source = spec.source
    if source.id is not None:
        path = hub.dataset_file(spec)
    elif source.package is not None:
        try:
            path = Path(str(metadata.distribution(source.package).locate_file(source.file)))
        except metadata.PackageNotFoundError:
            raise CannotRun(f"package {source.package} is not installed", f"pip install {source.package}") from None
    else:
        path = Path(spec._file).parent / source.file
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return _json_lines(path, spec)
    if path.suffix == ".parquet":
        return _parquet(path, count, spec)
    raise InputError(f"{spec.where('source.file')}: '{path.name}' is none of .jsonl, .jsonl.gz, .parquet")


def _json_lines(path: Path, spec: WorkloadEntry) -> Iterator[Any]:
    where = spec.where("source.file")
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    try:
                        yield json.loads(line)
                    except (ValueError, RecursionError) as error:
                        raise InputError(f"{where}: {path.name} line {number} is not JSON: {error}") from None
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"{where}: {path} cannot be read: {error}") from None


def _parquet(path: Path, count: int, spec: WorkloadEntry) -> Iterator[Any]:
    # Imported here because it takes a second, and few workloads need it.
    import datasets

    try:
        # Streaming reads the head of the local file; nothing is copied into another cache.
        yield from datasets.load_dataset("parquet", data_files=str(path), split="train", streaming=True).take(count)
    except Exception as error:
        # Whatever the library calls a damaged file.
        reason = " ".join(str(error).split())
        raise InputError(f"{spec.where('source.file')}: {path} cannot be read: {reason}") from None
