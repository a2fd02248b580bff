"""How many weights a GGUF file holds and how they are stored, from its header alone.

`gguf.GGUFReader` tells the same, and makes objects of every token of the vocabulary on its way: two seconds for 49 152
tokens, where stepping over them takes a twentieth of one. The layout is that of version 2 and 3 of the format,
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

import math
import mmap
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gguf import GGMLQuantizationType

_SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_MOST_DIMENSIONS = 4


def num_weights(path: Path) -> int:
    """Number of elements of all tensors of a GGUF file.

    Raises:
        ValueError: the header breaks off or makes no sense.
    """
    return sum(_weights_by_type(path).values())


def stored_as(path: Path) -> str:
    """Name of the type that most weights of a GGUF file are stored in, such as `Q4_1` or `F16`.

    Raises:
        ValueError: the header breaks off or makes no sense, the type is not known, or there are no weights.
    """
    weights = _weights_by_type(path)
    if not weights:
        raise ValueError("it has no weights")
    kind = max(weights, key=weights.__getitem__)
    if kind not in set(GGMLQuantizationType):
        raise ValueError(f"it has weights of the unknown type {kind}")
    return GGMLQuantizationType(kind).name


def _weights_by_type(path: Path) -> Counter[int]:
    """Number of elements by the number of the type they are stored in."""
    weights: Counter[int] = Counter()
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            for kind, elements in _Header(data).tensors():
                weights[kind] += elements
        except (struct.error, OverflowError, RecursionError):
            raise ValueError("its header breaks off") from None
    return weights


class _Header:
    """A place in the header, and what can be read there."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 4  # behind the magic
        (version,) = struct.unpack_from("<I", data, 4)
        # A file of the other byte order has the version's small number in the upper half.
        self._order = "<" if version & 0xFFFF else ">"
        self._length = struct.Struct(f"{self._order}Q")
        (version,) = self._read("I")
        if version not in (2, 3):
            raise ValueError(f"it is of version {version}, which cannot be read")

    def tensors(self) -> Iterator[tuple[int, int]]:
        """Yield type and number of elements of each tensor."""
        tensors, fields = self._read("QQ")
        for _ in range(fields):
            self._skip_strings(1)
            (kind,) = self._read("I")
            self._skip_values(kind, 1)
        for _ in range(tensors):
            self._skip_strings(1)
            (dimensions,) = self._read("I")
            if dimensions > _MOST_DIMENSIONS:
                raise ValueError(f"it has a tensor of {dimensions} dimensions")
            elements = math.prod(self._read(f"{dimensions}Q"))
            kind, _place = self._read("IQ")
            yield kind, elements

    def _read(self, kinds: str) -> tuple[int, ...]:
        values = struct.unpack_from(f"{self._order}{kinds}", self._data, self._at)
        self._at += struct.calcsize(f"{self._order}{kinds}")
        return values

    def _skip_values(self, kind: int, count: int) -> None:
        if kind == _STRING:
            self._skip_strings(count)
        elif kind == _ARRAY:
            for _ in range(count):
                item, length = self._read("IQ")
                self._skip_values(item, length)
        elif kind in _SCALAR_BYTES:
            self._at += count * _SCALAR_BYTES[kind]
        else:
            raise ValueError(f"it has a field of the unknown type {kind}")

    def _skip_strings(self, count: int) -> None:
        at, data, length_at = self._at, self._data, self._length.unpack_from
        for _ in range(count):
            at += 8 + length_at(data, at)[0]
        self._at = at
