"""The record: for every generated token and every exit, what the readout says about it.

Everything left of the trace needs a model; everything right of it is a pure function of these arrays. T is the number
of tokens, L of layers, n of sampled tokens. Exits and similarities are known of every token; what takes the logits of
the whole vocabulary is known of the tokens of a fixed random sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmark.errors import InputError


@dataclass(frozen=True)
class Trace:
    """Tokens in the order of their prompts and, within a prompt, of the text."""

    prompt: NDArray[np.int32]
    """T: index of the prompt, counted from 0 in the order of the workload."""
    position: NDArray[np.int32]
    """T: place in the generated text, or of the masked token in its text, counted from 0."""
    target: NDArray[np.int32]
    """T: the full model's token y."""
    text: NDArray[np.object_]
    """T: what the token adds to the text, for people to read; a part of a character shows as U+FFFD."""
    word_position: NDArray[np.int32]
    """T: place of the token in its word; 0 begins a word, -1 stands in none (punctuation, spaces, special tokens)."""
    matches: NDArray[np.bool_]
    """T × L: whether the exit's token is the full model's. The last column is true."""
    similarity_logit: NDArray[np.float32]
    """T × L: cosine to the last exit's logits, each vector centred on its mean over the vocabulary."""
    similarity_logit_raw: NDArray[np.float32]
    """T × L: the same without centring."""
    similarity_hidden: NDArray[np.float32]
    """T × L: cosine to the last exit's state after the final norm."""
    margin: NDArray[np.float32]
    """T: largest minus second largest logit of the full model; 0 is a tie."""
    sampled: NDArray[np.bool_]
    """T: whether the token is in the sample; true n times."""

    predictions: NDArray[np.int32]
    """n × L: token id with the largest logit."""
    rank: NDArray[np.int32]
    """n × L: rank of y among the logits, from 1; equal logits count by token id."""
    similarity_topk: NDArray[np.float32]
    """n × L: share of the K most likely tokens in common with the last exit."""
    entropy: NDArray[np.float32]
    """n × L: entropy of softmax(z_ℓ), nats."""
    kl: NDArray[np.float32]
    """n × L: KL(softmax(z_L) ‖ softmax(z_ℓ)), nats."""
    layer_margin: NDArray[np.float32]
    """n × L: largest minus second largest logit of the exit."""
    half_matches: NDArray[np.int8]
    """n × L: whether the state between the two halves of the layer, behind its mixer, gives y: 1 or 0; -1 where the
    layer has no two residual additions."""

    def __post_init__(self) -> None:
        """Hold every array in one type, so that a stored trace equals a fresh one."""
        for field in fields(self):
            object.__setattr__(self, field.name, np.asarray(getattr(self, field.name), dtype=_TYPES[field.name]))

    @property
    def num_tokens(self) -> int:
        """T."""
        return self.matches.shape[0]

    @property
    def num_layers(self) -> int:
        """L."""
        return self.matches.shape[1]

    def write_parquet(self, path: Path | str) -> None:
        """Write one row a token; what is known of the sample only is null elsewhere."""
        columns = {}
        for field in fields(self):
            array = getattr(self, field.name)
            columns[field.name] = _spread(array, self.sampled) if field.name in OF_SAMPLE else _to_arrow(array)
        pq.write_table(pa.table(columns), path, compression="zstd")

    @classmethod
    def read_parquet(cls, path: Path | str) -> "Trace":
        """Read what `write_parquet` wrote.

        Raises:
            InputError: the file is missing, damaged, or no trace.
        """
        return cls(**read_arrays(path, [field.name for field in fields(cls)]))


def read_arrays(path: Path | str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Some of the arrays that `Trace.write_parquet` wrote, by their names in `Trace`; only these are decoded.

    Raises:
        InputError: the file is missing, damaged, too large for what is in it, or no trace.
    """
    try:
        # Without memory_map and threads, because a truncated file must be an error, never a crash. Of equal texts one
        # is kept, so that a short file cannot hold long ones without end.
        with pq.ParquetFile(path, read_dictionary=["text"] if "text" in names else None) as file:
            _refuse_others(file.schema_arrow)
            _refuse_inflated(file, Path(path).stat().st_size)
            table = file.read(columns=list(names), use_threads=False)
        arrays = {name: _to_numpy(table[name], name) for name in names}
        if "sampled" in arrays:
            _refuse_other_sample(table, arrays["sampled"])
        return arrays
    except (OSError, pa.ArrowException, ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: cannot be read as the tokens of a case: {reason}; measure it again") from None


_TYPES: dict[str, Any] = {
    **dict.fromkeys(("prompt", "position", "target", "word_position", "predictions", "rank"), np.int32),
    **dict.fromkeys(("matches", "sampled"), np.bool_),
    **dict.fromkeys(("similarity_logit", "similarity_logit_raw", "similarity_hidden", "similarity_topk"), np.float32),
    **dict.fromkeys(("margin", "layer_margin", "entropy", "kl"), np.float32),
    "text": np.object_,
    "half_matches": np.int8,
}
OF_SAMPLE = ("predictions", "rank", "similarity_topk", "entropy", "kl", "layer_margin", "half_matches")
"""Arrays with a row for every token of the sample, not for every token."""
_BY_TOKEN = ("prompt", "position", "target", "text", "word_position", "margin", "sampled")
"""Arrays of one value a token; the others have one a layer."""
_ALWAYS_READ = 200_000_000
"""Bytes that any file may unpack to."""
_MOST_UNPACKED = 40
"""Bytes, at most, that a larger file unpacks to, for each of its own. Cosines do not compress: measured 4."""


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
    """Refuse columns that `write_parquet` does not write; anything else would be converted, and not always back."""
    if unknown := [name for name in schema.names if name not in _TYPES]:
        raise ValueError(f"it has a column {unknown[0]!r}")
    layers = None
    for name in _TYPES:
        if (count := schema.names.count(name)) != 1:
            raise ValueError(f"it has {'no' if count == 0 else 'more than one'} {name}")
        kind = schema.field(name).type
        if name not in _BY_TOKEN:
            layers = layers or getattr(kind, "list_size", None)
            found, value = getattr(kind, "list_size", None), getattr(kind, "value_type", None)
            same = pa.types.is_fixed_size_list(kind) and found == layers and value == _stored(name)
        else:
            same = _without_dictionary(kind) == _stored(name)
        if not same:
            raise ValueError(f"{name} is of the type {kind}")


def _refuse_inflated(file: pq.ParquetFile, size: int) -> None:
    """Refuse a small file that unpacks to a large table, which no measured numbers do."""
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    rows = max(file.metadata.num_rows, sum(group.num_rows for group in groups))
    width = sum(_bits(field.type) for field in file.schema_arrow if field.name != "text") // 8
    unpacked = max(rows * width, sum(group.total_byte_size for group in groups))
    if unpacked > max(_ALWAYS_READ, _MOST_UNPACKED * size):
        raise ValueError(f"its {size:,} bytes would unpack to {unpacked:,}, more than any measurement does")


def _refuse_other_sample(table: pa.Table, sampled: NDArray[np.bool_]) -> None:
    """What is known of the sample has to be known of the tokens that `sampled` names."""
    for name in OF_SAMPLE:
        if name in table.column_names and (table[name].is_valid().to_numpy() != sampled).any():
            raise ValueError(f"{name} is of other tokens than those of the sample")


def _to_numpy(column: pa.ChunkedArray, name: str) -> NDArray[Any]:
    if name not in OF_SAMPLE and column.null_count:
        raise ValueError(f"{name} lacks {column.null_count} values")
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(array.type):
        return np.array([*array.dictionary.to_pylist(), None], dtype=_TYPES[name])[array.indices.to_numpy()]
    if name in _BY_TOKEN:
        return np.asarray(array.to_numpy(zero_copy_only=False), dtype=_TYPES[name])
    # `flatten` leaves out what is null.
    values = array.flatten()
    if values.null_count:
        raise ValueError(f"{name} lacks {values.null_count} values")
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=_TYPES[name]).reshape(-1, array.type.list_size)


def _stored(name: str) -> pa.DataType:
    return pa.string() if _TYPES[name] is np.object_ else pa.from_numpy_dtype(_TYPES[name])


def _bits(kind: pa.DataType) -> int:
    """Of a value of a type of fixed width."""
    return kind.list_size * kind.value_type.bit_width if pa.types.is_fixed_size_list(kind) else kind.bit_width


def _without_dictionary(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
