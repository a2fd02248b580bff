"""Traces as Parquet files, which anybody may have written: read by the types they must have, never unpacked blindly."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.trace.arrays import BY_TOKEN, OF_SAMPLE, OF_SIGNALS, OF_TEXTS, TYPES

T = TypeVar("T")
_SAID = b"exitbench"
"""Under which a file keeps what is said of all its rows."""
_TYPES_OF_ARROW = b"ARROW:schema"
"""Under which pyarrow notes the types of a table in the file, beside those of Parquet itself."""
_ALWAYS_READ = 200_000_000
"""Bytes that any file may unpack to."""
_MOST_UNPACKED = 40
"""Bytes, at most, that a larger file unpacks to, for each of its own. Cosines do not compress: measured 4."""


def write_arrays(path: Path | str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write all arrays of a trace, one row a token; what is known of the sample only is null elsewhere."""
    columns = {name: _to_arrow(array, arrays["sampled"]) for name, array in arrays.items()}
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
    """Some of the arrays that `write_arrays` wrote, by their names in a record; only these are decoded.

    What only texts have that were there before is left away where it is not in the file.

    Raises:
        InputError: the file is missing, damaged, too large for what is in it, or no trace.
    """
    try:
        # Without memory_map and threads, because a truncated file must be an error, never a crash. Of equal texts one
        # is kept, so that a short file cannot hold long ones without end.
        repeated = ["text"] if "text" in names else None
        with Path(path).open("rb") as stream:
            about = _without_types_of_arrow(pq.read_metadata(stream))
            file = pq.ParquetFile(stream, metadata=about, read_dictionary=repeated)
            _refuse_others(file.schema_arrow)
            refuse_inflated(file, Path(path).stat().st_size)
            names = [name for name in names if name not in OF_TEXTS or name in file.schema_arrow.names]
            table = file.read(columns=names, use_threads=False)
        # No list of `matches` is null, and each has a value a layer.
        layers = _values(about, "matches") // max(1, about.num_rows)
        arrays = {name: _to_numpy(table[name], name, layers) for name in names}
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


def _to_arrow(array: NDArray[Any], sampled: NDArray[np.bool_]) -> pa.Array:
    """Return a column of one row a token; an array that is shorter is of the sample, and null elsewhere."""
    if array.ndim == 1:
        return pa.array(array)
    known = np.ones_like(sampled) if len(array) == len(sampled) else sampled
    # Lists of any length, though all have the same: pyarrow before 26 cannot read lists of a fixed length, some null.
    ends = np.cumsum([0, *known]) * array.shape[1]
    values = pa.array(np.ascontiguousarray(array).reshape(-1))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values, mask=pa.array(~known))


def _without_types_of_arrow(about: pq.FileMetaData) -> pq.FileMetaData:
    """Return what a file says of itself, less the types of Arrow, so that it is read by those of Parquet.

    Older files note lists of a fixed length, which pyarrow before 26 cannot read where some are null.
    """
    footer = io.BytesIO()
    about.write_metadata_file(footer)
    hidden = footer.getvalue().replace(_TYPES_OF_ARROW, _TYPES_OF_ARROW.lower())
    return pq.read_metadata(pa.BufferReader(hidden))


def _refuse_others(schema: pa.Schema) -> None:
    """Refuse columns that `write_arrays` does not write; anything else would be converted, and not always back."""
    if unknown := [name for name in schema.names if name not in TYPES]:
        raise ValueError(f"it has a column {unknown[0]!r}")
    for name in TYPES:
        count = schema.names.count(name)
        if count == 0 and name in OF_TEXTS:
            continue
        if count != 1:
            raise ValueError(f"it has {'no' if count == 0 else 'more than one'} {name}")
        kind = schema.field(name).type
        if name in BY_TOKEN:
            same = _without_dictionary(kind) == _stored(name)
        else:
            same = pa.types.is_list(kind) and kind.value_type == _stored(name)
        if not same:
            raise ValueError(f"{name} is of the type {kind}")


def refuse_inflated(file: pq.ParquetFile, size: int) -> None:
    """Refuse a small file that unpacks to a large table, which no measured numbers do."""
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    numbers = [field for field in file.schema_arrow if not _is_text(field.type)]
    bits = sum(_values(file.metadata, field.name) * _bits(field.type) for field in numbers)
    unpacked = max(bits // 8, sum(group.total_byte_size for group in groups))
    if unpacked > max(_ALWAYS_READ, _MOST_UNPACKED * size):
        raise ValueError(f"its {size:,} bytes would unpack to {unpacked:,}, more than any measurement does")


def _values(about: pq.FileMetaData, name: str) -> int:
    """Return how many values a column has: at least one a row, and those of its lists."""
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    of_lists = sum(column.num_values for column in columns if column.path_in_schema.split(".")[0] == name)
    return max(of_lists, about.num_rows, sum(group.num_rows for group in groups))


def _refuse_other_tokens(table: pa.Table, sampled: NDArray[np.bool_]) -> None:
    """Refuse what is known of other tokens than it should be: of the sample, or signals of some tokens in between."""
    asked = [name for name in (*OF_SIGNALS, *OF_SAMPLE) if name in table.column_names]
    known = {name: table[name].is_valid().to_numpy() for name in asked}
    of_all = all(some.all() for name, some in known.items() if name in OF_SIGNALS)
    for name, some in known.items():
        if (some != sampled).any() and not (of_all and name in OF_SIGNALS):
            raise ValueError(f"{name} is of other tokens than those of the sample")


def _to_numpy(column: pa.ChunkedArray, name: str, layers: int) -> NDArray[Any]:
    if name not in (*OF_SAMPLE, *OF_SIGNALS) and column.null_count:
        raise ValueError(f"{name} lacks {column.null_count} values")
    if pa.types.is_dictionary(column.type):
        return _joined(column, TYPES[name])
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if name in BY_TOKEN:
        return np.asarray(array.to_numpy(zero_copy_only=False), dtype=TYPES[name])
    lengths = array.value_lengths().drop_null()
    if not pc.all(pc.equal(lengths, layers), min_count=0).as_py():
        raise ValueError(f"{name} is not of the {layers} layers of matches")
    # `flatten` leaves out what is null.
    values = array.flatten()
    if values.null_count:
        raise ValueError(f"{name} lacks {values.null_count} values")
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=TYPES[name]).reshape(len(lengths), layers)


def _joined(column: pa.ChunkedArray, kind: Any) -> NDArray[Any]:
    """Texts of a dictionary; equal ones are one object, so that a short file cannot hold long ones without end."""
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return np.array([*array.dictionary.to_pylist(), None], dtype=kind)[array.indices.to_numpy()]


def _stored(name: str) -> pa.DataType:
    return _stored_as(TYPES[name])


def _stored_as(kind: Any) -> pa.DataType:
    return pa.string() if kind is np.object_ else pa.from_numpy_dtype(kind)


def _bits(kind: pa.DataType) -> int:
    """Of one value of a column, or of a list in it."""
    return int(kind.value_type.bit_width if pa.types.is_list(kind) else kind.bit_width)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(_without_dictionary(kind)))


def _without_dictionary(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
