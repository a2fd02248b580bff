"""The record: for every generated token and every exit, what the readout says about it.

Everything left of the trace needs a model; everything right of it is a pure function of these arrays.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

_TYPES = {"prompt": np.int32, "position": np.int32, "predictions": np.int32}


@dataclass(frozen=True)
class Trace:
    """Tokens in the order of their prompts and, within a prompt, of the text. L is the number of layers."""

    prompt: NDArray[np.int32]
    """tokens: index of the prompt, counted from 0 in the order of the workload."""
    position: NDArray[np.int32]
    """tokens: place in the generated text, or of the masked token in its text, counted from 0."""
    predictions: NDArray[np.int32]
    """tokens × L: token id with the largest logit at exits 1..L. The last column is the generated text."""
    similarity_logit: NDArray[np.float32]
    """tokens × L: cosine to the last exit's logits, each vector centred on its mean over the vocabulary."""
    similarity_logit_raw: NDArray[np.float32]
    """tokens × L: the same without centring."""
    similarity_hidden: NDArray[np.float32]
    """tokens × L: cosine to the last exit's state after the final norm."""
    similarity_topk: NDArray[np.float32]
    """tokens × L: share of the K most likely tokens in common with the last exit."""
    margin: NDArray[np.float32]
    """tokens: largest minus second largest logit of the last exit."""

    def __post_init__(self) -> None:
        """Hold every array in one type, so that a stored trace equals a fresh one."""
        for field in fields(self):
            array = np.asarray(getattr(self, field.name), dtype=_TYPES.get(field.name, np.float32))
            object.__setattr__(self, field.name, array)

    @property
    def num_tokens(self) -> int:
        """Generated tokens."""
        return self.predictions.shape[0]

    @property
    def num_layers(self) -> int:
        """L."""
        return self.predictions.shape[1]

    @property
    def targets(self) -> NDArray[np.int32]:
        """tokens: the full model's token y."""
        return self.predictions[:, -1]

    @property
    def matches(self) -> NDArray[np.bool_]:
        """tokens × L: whether the exit's token is the full model's."""
        return self.predictions == self.targets[:, None]

    def write_parquet(self, path: Path, **columns: NDArray[Any]) -> None:
        """Write one row a token; `columns` (tokens each) stand beside the trace's own."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)} | columns
        table = pa.table({name: _to_arrow(array) for name, array in arrays.items()})
        pq.write_table(table, path, compression="zstd")

    @classmethod
    def read_parquet(cls, path: Path) -> "Trace":
        """Read what `write_parquet` wrote.

        Raises:
            OSError, pyarrow.ArrowInvalid: the file is missing or damaged.
        """
        table = pq.read_table(path, columns=[field.name for field in fields(cls)])
        return cls(**{name: _to_numpy(table[name].combine_chunks()) for name in table.column_names})


def _to_arrow(array: NDArray[Any]) -> pa.Array:
    if array.ndim == 1:
        return pa.array(array)
    return pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), array.shape[1])


def _to_numpy(array: Any) -> NDArray[Any]:
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_fixed_size_list(array.type):
        return array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), array.type.list_size)
    return array.to_numpy(zero_copy_only=False)
