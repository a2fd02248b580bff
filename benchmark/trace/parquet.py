"""Traces as Parquet files, which anybody may have written: read by the types they must have, never unpacked blindly."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.trace.arrays import BY_TOKEN, OF_SAMPLE, OF_SIGNALS, TYPES

T = TypeVar("T")
_SAID = b"exitbench"
"""Under which a file keeps what is said of all its rows."""
_ALWAYS_READ = 200_000_000
"""Bytes that any file may unpack to."""
_MOST_UNPACKED = 40
"""Bytes, at most, that a larger file unpacks to, for each of its own. Cosines do not compress: measured 4."""


def write_arrays(path: Path | str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write all arrays of a trace, one row a token; what is known of the sample only is null elsewhere."""
    sampled = arrays["sampled"]
    columns = {
        name: _to_arrow(array) if len(array) == len(sampled) else _spread(array, sampled)
        for name, array in arrays.items()
    }
    # Bytes of one place of a number beside each other compress better: by two fifths, measured.
    numbers = [name for name in columns if name not in BY_TOKEN and np.issubdtype(TYPES[name], np.floating)]
    split = {
        "use_byte_stream_split": [f"{name}.list.element" for name in numbers],
        "use_dictionary": [name for name in columns if name not in numbers],
    }
    # As an open file: pyarrow takes some paths for addresses.
    with Path(path).open("wb") as stream:
        pq.write_table(pa.table(columns), stream, compression="zstd", **split)


def read_arrays(path: Path | str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Some of the arrays that `write_arrays` wrote, by their names in `Trace`; only these are decoded.

    Raises:
        InputError: the file is missing, damaged, too large for what is in it, or no trace.
    """
    try:
        # Without memory_map and threads, because a truncated file must be an error, never a crash. Of equal texts one
        # is kept, so that a short file cannot hold long ones without end.
        repeated = ["text"] if "text" in names else None
        with Path(path).open("rb") as stream, pq.ParquetFile(stream, read_dictionary=repeated) as file:
            _refuse_others(file.schema_arrow)
            refuse_inflated(file, Path(path).stat().st_size)
            table = file.read(columns=list(names), use_threads=False)
        arrays = {name: _to_numpy(table[name], name) for name in names}
        if "sampled" in arrays:
            _refuse_other_tokens(table, arrays["sampled"])
        return arrays
    except (OSError, pa.ArrowException, ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: cannot be read as the tokens of a case: {reason}; measure it again") from None


def write_columns(path: Path | str, columns: Mapping[str, NDArray[Any]], said: Mapping[str, Any]) -> None:
    """Write plain columns, one row a token, and what is said of all of them."""
    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    with Path(path).open("wb") as stream:
        pq.write_table(table.replace_schema_metadata({_SAID: json.dumps(said)}), stream, compression="zstd")


def read_columns(
    path: Path | str, types: Mapping[str, Any], meaning: Callable[[Any], T]
) -> tuple[dict[str, NDArray[Any]], T]:
    """Return what `write_columns` wrote: the columns, and what is said of all of them.

    Args:
        path: of the file.
        types: of the columns, by name; the file has these and no others.
        meaning: makes something of what is said; raises ValueError where it cannot.

    Raises:
        InputError: the file is missing, damaged, too large for what is in it, or of something else.
    """
    try:
        texts = [name for name, kind in types.items() if kind is np.object_]
        with Path(path).open("rb") as stream:
            found = [(field.name, _without_dictionary(field.type)) for field in pq.read_schema(stream)]
        if found != [(name, _stored_as(kind)) for name, kind in types.items()]:
            raise ValueError(f"its columns are {', '.join(f'{name} ({kind})' for name, kind in found)}"[:150])
        with Path(path).open("rb") as stream, pq.ParquetFile(stream, read_dictionary=texts) as file:
            refuse_inflated(file, Path(path).stat().st_size)
            said = meaning(json.loads((file.schema_arrow.metadata or {}).get(_SAID, b"null")))
            table = file.read(columns=list(types), use_threads=False)
        columns = {}
        for name, kind in types.items():
            if table[name].null_count:
                raise ValueError(f"{name} lacks {table[name].null_count} values")
            columns[name] = _joined(table[name], kind) if kind is np.object_ else np.array(table[name], dtype=kind)
        return columns, said
    except (OSError, pa.ArrowException, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: cannot be read as the tokens of a case: {reason}; measure it again") from None


def _to_arrow(array: NDArray[Any]) -> pa.Array:
    if array.ndim == 1:
        return pa.array(array)
    return pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), array.shape[1])


def _spread(array: NDArray[Any], sampled: NDArray[np.bool_]) -> pa.Array:
    """n × L at the places of the sample among T rows, null elsewhere."""
    filled = np.zeros((len(sampled), array.shape[1]), array.dtype)
    filled[sampled] = array
    return pa.FixedSizeListArray.from_arrays(pa.array(filled.reshape(-1)), array.shape[1], mask=pa.array(~sampled))


def _refuse_others(schema: pa.Schema) -> None:
    """Refuse columns that `write_arrays` does not write; anything else would be converted, and not always back."""
    if unknown := [name for name in schema.names if name not in TYPES]:
        raise ValueError(f"it has a column {unknown[0]!r}")
    layers = None
    for name in TYPES:
        if (count := schema.names.count(name)) != 1:
            raise ValueError(f"it has {'no' if count == 0 else 'more than one'} {name}")
        kind = schema.field(name).type
        if name not in BY_TOKEN:
            layers = layers or getattr(kind, "list_size", None)
            found, value = getattr(kind, "list_size", None), getattr(kind, "value_type", None)
            same = pa.types.is_fixed_size_list(kind) and found == layers and value == _stored(name)
        else:
            same = _without_dictionary(kind) == _stored(name)
        if not same:
            raise ValueError(f"{name} is of the type {kind}")


def refuse_inflated(file: pq.ParquetFile, size: int) -> None:
    """Refuse a small file that unpacks to a large table, which no measured numbers do."""
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    rows = max(file.metadata.num_rows, sum(group.num_rows for group in groups))
    width = sum(_bits(field.type) for field in file.schema_arrow if not _is_text(field.type)) // 8
    unpacked = max(rows * width, sum(group.total_byte_size for group in groups))
    if unpacked > max(_ALWAYS_READ, _MOST_UNPACKED * size):
        raise ValueError(f"its {size:,} bytes would unpack to {unpacked:,}, more than any measurement does")


def _refuse_other_tokens(table: pa.Table, sampled: NDArray[np.bool_]) -> None:
    """Refuse what is known of other tokens than it should be: of the sample, or signals of some tokens in between."""
    asked = [name for name in (*OF_SIGNALS, *OF_SAMPLE) if name in table.column_names]
    known = {name: table[name].is_valid().to_numpy() for name in asked}
    of_all = all(some.all() for name, some in known.items() if name in OF_SIGNALS)
    for name, some in known.items():
        if (some != sampled).any() and not (of_all and name in OF_SIGNALS):
            raise ValueError(f"{name} is of other tokens than those of the sample")


def _to_numpy(column: pa.ChunkedArray, name: str) -> NDArray[Any]:
    if name not in (*OF_SAMPLE, *OF_SIGNALS) and column.null_count:
        raise ValueError(f"{name} lacks {column.null_count} values")
    if pa.types.is_dictionary(column.type):
        return _joined(column, TYPES[name])
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if name in BY_TOKEN:
        return np.asarray(array.to_numpy(zero_copy_only=False), dtype=TYPES[name])
    # `flatten` leaves out what is null.
    values = array.flatten()
    if values.null_count:
        raise ValueError(f"{name} lacks {values.null_count} values")
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=TYPES[name]).reshape(-1, array.type.list_size)


def _joined(column: pa.ChunkedArray, kind: Any) -> NDArray[Any]:
    """Texts of a dictionary; equal ones are one object, so that a short file cannot hold long ones without end."""
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return np.array([*array.dictionary.to_pylist(), None], dtype=kind)[array.indices.to_numpy()]


def _stored(name: str) -> pa.DataType:
    return _stored_as(TYPES[name])


def _stored_as(kind: Any) -> pa.DataType:
    return pa.string() if kind is np.object_ else pa.from_numpy_dtype(kind)


def _bits(kind: pa.DataType) -> int:
    """Of a value of a type of fixed width."""
    return kind.list_size * kind.value_type.bit_width if pa.types.is_fixed_size_list(kind) else kind.bit_width


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(_without_dictionary(kind)))


def _without_dictionary(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
