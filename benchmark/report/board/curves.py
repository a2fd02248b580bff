"""Per-layer curves as short texts: two characters a layer, for pictures of ten thousand rows in one page."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

_ALPHABET = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", np.uint8)
_STEPS = len(_ALPHABET) ** 2 - 1


def encode_curve(curves: Mapping[str, Sequence[float]]) -> dict[str, str]:
    """Numbers of −1 to 1, in steps of 2/4095: the high and the low 6 bits of 12, a character each."""
    values = np.fromiter(chain.from_iterable(curves.values()), np.float64)
    steps = np.rint((values.clip(-1, 1) + 1) / 2 * _STEPS).astype(int)
    text = _ALPHABET[np.stack([steps >> 6, steps & 63], axis=1)].tobytes().decode("ascii")
    ends = np.cumsum([2 * len(curve) for curve in curves.values()]).tolist()
    return {name: text[end - 2 * len(curves[name]) : end] for name, end in zip(curves, ends, strict=True)}
