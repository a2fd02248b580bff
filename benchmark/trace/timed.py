"""The record of the clock: a text that is known, where its tokens leave, and how long several ways to write it take.

T is the number of tokens behind the first of each text, R that of the rounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.trace.parquet import read_columns, write_columns

_TYPES: dict[str, Any] = {
    **dict.fromkeys(("prompt", "position", "token", "exit_layer", "group"), np.int32),
    "replayed": np.bool_,
}
_MOST = 10_000
"""Layers, batches, rounds; many times what there is of each."""


@dataclass(frozen=True)
class Timing:
    """How long one way to write the texts takes."""

    way: str
    """One of `WAYS`."""
    groups: tuple[int, ...]
    """N numbers of the batches that were timed in it, ascending."""
    steps: tuple[int, ...]
    """N: forward passes behind the first tokens."""
    seconds: tuple[tuple[float, ...], ...]
    """R × N."""


WAYS = ("generate", "full", "replay", "replay_alone", "deferred_full", "deferred_oracle", "deferred_gate")
"""Plain `generate`; the loop of a replay with all layers, with exits of all texts together and of each alone; the loop
of deferred decoding with all layers, with the oracle's exits and with those of a gate."""
ALWAYS = ("generate", "full", "replay")
"""The ways that are always taken."""


@dataclass(frozen=True)
class Drafted:
    """Self-speculation at one exit layer and draft length, whole texts with their prompts."""

    exit_layer: int
    draft_length: int
    tokens: int
    """Tokens of the texts, the first of each among them."""
    rounds: int
    """Passes of the whole model; as many as the trace predicts."""
    seconds: tuple[float, ...]
    """R: of all texts."""
    plain_seconds: tuple[float, ...]
    """R: of plain `generate` over the same."""


@dataclass(frozen=True)
class Late:
    """What deferred decoding with a gate made of the texts, without the first token of each."""

    pending: tuple[int, ...]
    """How often how many tokens waited behind a step, from 0 on."""
    exits: tuple[int, ...]
    """L: how many tokens left at each layer."""
    same: int
    """Tokens before the first that is not the full model's."""


@dataclass(frozen=True)
class Clocked:
    """What was timed."""

    num_layers: int
    """L."""
    timings: tuple[Timing, ...]
    """Of each way that was taken."""
    late: Late | None
    """Of deferred decoding with a gate; None without."""
    drafted: tuple[Drafted, ...]
    """Of self-speculation."""

    def of(self, way: str) -> Timing | None:
        """Return how long a way takes; None if it was not taken."""
        return next((timing for timing in self.timings if timing.way == way), None)


@dataclass(frozen=True)
class Timed:
    """Tokens in the order of the texts, without the first of each, which the prompt gives."""

    clocked: Clocked
    prompt: NDArray[np.int32]
    """T: index of the prompt, counted from 0 in the order of the workload."""
    position: NDArray[np.int32]
    """T: place in the generated text, counted from 0; so at least 1."""
    token: NDArray[np.int32]
    """T: token id."""
    exit_layer: NDArray[np.int32]
    """T: the shallowest layer, in 1..L, that gives the token."""
    group: NDArray[np.int32]
    """T: number of the batch that the text was timed in."""
    replayed: NDArray[np.bool_]
    """T: whether the replay gave this token at its exit."""

    def __post_init__(self) -> None:
        """Hold every array in one type, so that a stored record equals a fresh one."""
        for name, kind in _TYPES.items():
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=kind))

    @property
    def num_tokens(self) -> int:
        """T."""
        return len(self.token)

    @property
    def num_layers(self) -> int:
        """L."""
        return self.clocked.num_layers

    def write_parquet(self, path: Path | str) -> None:
        """Write one row a token, and what was timed beside them."""
        write_columns(path, {name: getattr(self, name) for name in _TYPES}, asdict(self.clocked))

    @classmethod
    def read_parquet(cls, path: Path | str) -> "Timed":
        """Read what `write_parquet` wrote.

        Raises:
            InputError: the file is missing, damaged, or no record of this study.
        """
        columns, said = read_columns(path, _TYPES, _clocked)
        return cls(said, **columns)


def _clocked(said: Any) -> Clocked:
    """Return what a file says was timed.

    Raises:
        ValueError: it says nothing of the kind.
    """
    _refuse(not isinstance(said, dict) or set(said) != {"num_layers", "timings", "late", "drafted"})
    _refuse(not isinstance(said["timings"], list) or not isinstance(said["drafted"], list))
    timings = tuple(_timing(one) for one in said["timings"])
    ways = [timing.way for timing in timings]
    _refuse(len(ways) != len(set(ways)) or not {*ALWAYS} <= {*ways})
    return Clocked(
        num_layers=_counts([said["num_layers"]])[0],
        timings=timings,
        late=None if said["late"] is None else _late(said["late"]),
        drafted=tuple(_drafted(one) for one in said["drafted"]),
    )


def _timing(said: Any) -> Timing:
    _refuse(not isinstance(said, dict) or set(said) != {"way", "groups", "steps", "seconds"} or said["way"] not in WAYS)
    groups, steps = _counts(said["groups"]), _counts(said["steps"], most=10**9)
    _refuse(len(groups) != len(steps) or list(groups) != sorted(set(groups)) or 0 in steps)
    _refuse(not isinstance(said["seconds"], list) or not 1 <= len(said["seconds"]) <= _MOST or not steps)
    seconds = tuple(_seconds(one) for one in said["seconds"])
    _refuse(any(len(one) != len(steps) for one in seconds))
    return Timing(said["way"], groups, steps, seconds)


def _late(said: Any) -> Late:
    _refuse(not isinstance(said, dict) or set(said) != {"pending", "exits", "same"})
    (same,) = _counts([said["same"]], most=10**9)
    return Late(_counts(said["pending"], most=10**9), _counts(said["exits"], most=10**9), same)


def _drafted(said: Any) -> Drafted:
    counts = ("exit_layer", "draft_length", "tokens", "rounds")
    _refuse(not isinstance(said, Mapping) or set(said) != {*counts, "seconds", "plain_seconds"})
    seconds, plain = _seconds(said["seconds"]), _seconds(said["plain_seconds"])
    _refuse(len(seconds) != len(plain) or not seconds)
    exit_layer, draft_length, tokens, rounds = _counts([said[name] for name in counts], most=10**9)
    return Drafted(exit_layer, draft_length, tokens, rounds, seconds, plain)


def _counts(said: Any, most: int = _MOST) -> tuple[int, ...]:
    _refuse(not isinstance(said, list) or any(type(one) is not int or not 0 <= one <= most for one in said))
    return tuple(said)


def _seconds(said: Sequence[Any]) -> tuple[float, ...]:
    _refuse(not isinstance(said, list) or any(type(one) is not float or not 0 < one < 1e9 for one in said))
    return tuple(said)


def _refuse(wrong: bool) -> None:
    if wrong:
        raise ValueError("it does not say what was timed")
