"""The record of the decoding study: texts that were written with early exits, and beside them the full model's own.

T is the number of tokens of both. All that a row of the study says is a pure function of these arrays.
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.trace.parquet import read_columns, write_columns

_MOST_LAYERS = 10_000
"""Many times as many as any model has; what is computed of a record takes room for each."""
_TYPES: dict[str, Any] = {
    **dict.fromkeys(("prompt", "position", "token", "exit_layer"), np.int32),
    "full": np.bool_,
    "score": np.float64,
    **dict.fromkeys(("text", "answer"), np.object_),
}


@dataclass(frozen=True)
class Gated:
    """By what rule tokens left, as far as it says what they cost."""

    gate: str
    """Name of the gate."""
    head: bool
    """Whether a look takes the output head."""
    policy: str
    """What deeper layers got of tokens that left."""
    looks: tuple[int, ...]
    """Layers at which the gate looked, counted from 1, ascending, below the last."""
    num_layers: int
    """L."""


@dataclass(frozen=True)
class Decoded:
    """Tokens in the order of the texts: those with early exits first, then the full model's; of a text, in order."""

    gated: Gated
    prompt: NDArray[np.int32]
    """T: index of the prompt, counted from 0 in the order of the workload."""
    position: NDArray[np.int32]
    """T: place in the generated text, counted from 0."""
    token: NDArray[np.int32]
    """T: token id."""
    exit_layer: NDArray[np.int32]
    """T: the layer, in 1..L, that the token left at; L in the full model's texts."""
    full: NDArray[np.bool_]
    """T: whether the full model wrote it."""
    text: NDArray[np.object_]
    """T: what the token adds to the text, for people to read; a part of a character shows as U+FFFD."""
    answer: NDArray[np.object_]
    """T: at the last token of each text, the whole of it as it is scored; empty at all others."""
    score: NDArray[np.float64]
    """T: at the last token of each text, the score of its answer; NaN at all others, and where there is no score."""

    def __post_init__(self) -> None:
        """Hold every array in one type, so that a stored record equals a fresh one."""
        for name, kind in _TYPES.items():
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=kind))

    @property
    def num_tokens(self) -> int:
        """Tokens that were written with early exits."""
        return int((~self.full).sum())

    @property
    def num_layers(self) -> int:
        """L."""
        return self.gated.num_layers

    @property
    def last(self) -> NDArray[np.bool_]:
        """T: whether the token is the last of its text."""
        return np.append(self.position[1:] == 0, True)[: len(self.position)]

    def of(self, full: bool) -> "Decoded":
        """Return the tokens of the full model's texts, or of the others."""
        some = self.full == full
        return Decoded(self.gated, **{name: getattr(self, name)[some] for name in _TYPES})

    def write_parquet(self, path: Path | str) -> None:
        """Write one row a token."""
        write_columns(path, {name: getattr(self, name) for name in _TYPES}, asdict(self.gated))

    @classmethod
    def read_parquet(cls, path: Path | str) -> "Decoded":
        """Read what `write_parquet` wrote.

        Raises:
            InputError: the file is missing, damaged, or no record of this study.
        """
        columns, said = read_columns(path, _TYPES, _gated)
        return cls(said, **columns)


def _gated(said: Any) -> Gated:
    """Return the rule that a file names.

    Raises:
        ValueError: it names none.
    """
    kinds = {"gate": str, "head": bool, "policy": str, "looks": list, "num_layers": int}
    if not isinstance(said, dict) or {name: type(value) for name, value in said.items()} != kinds:
        raise ValueError("it does not say by what rule tokens left")
    looks, layers = said["looks"], said["num_layers"]
    if not 1 <= layers <= _MOST_LAYERS:
        raise ValueError("no model has as many layers as it says")
    if any(type(look) is not int for look in looks) or looks != sorted({*looks} & {*range(1, layers)}):
        raise ValueError("its looks are no layers of the model")
    return Gated(**{**{field.name: said[field.name] for field in fields(Gated)}, "looks": tuple(looks)})
