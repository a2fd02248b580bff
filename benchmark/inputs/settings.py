"""Settings that say what is captured, for all cases of a run; None leaves a choice to the entry or the workload."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from benchmark.errors import InputError
from benchmark.trace.sample import SAMPLE, TOP_K, SignalsOf

DEFAULT_BATCH_SIZE = 16
_AT_LEAST_ONE = ("limit", "max_new_tokens", "batch_size", "top_k", "sample")
_SEEDS = 2**32


@dataclass(frozen=True)
class CaptureSettings:
    """What is captured, as plain data. All of it but `limit` and what is allowed is asked of every model alike."""

    device: Literal["cuda", "cpu"] = "cpu"
    dtype: str | None = None
    """Type of the weights, which wins over the entry's."""
    trust_remote_code: bool = False
    """Whether entries that ask for it may run the code of their repository."""
    allow_code_execution: bool = False
    """Whether code that a model has written may be run, to see whether it passes its tests."""
    limit: int | None = None
    """The first so many prompts; None takes as many as a full run of the workload does."""
    max_new_tokens: int | None = None
    """Tokens a prompt at most."""
    batch_size: int | None = None
    """The most prompts that are decoded together."""
    seed: int = 0
    """Of the sample, of masking, and of the intervals."""
    top_k: int = TOP_K
    """K of the overlap of the most likely tokens."""
    sample: int | None = SAMPLE
    """Tokens that are looked at with all their logits, at most; None for all."""
    signals: SignalsOf = "sample"
    """Which tokens' signals are kept, for gates: those of the sample, or of all tokens."""

    def __post_init__(self) -> None:
        """Hold the settings against their ranges.

        Raises:
            InputError: one is outside of its range; names it.
        """
        for name in _AT_LEAST_ONE:
            refuse_below_one(name, getattr(self, name))
        if self.signals not in get_args(SignalsOf):
            raise InputError(f"signals: must be one of {', '.join(get_args(SignalsOf))}, not {self.signals!r}")
        if not _is_whole(self.seed) or not 0 <= self.seed < _SEEDS:
            raise InputError(f"seed: must be a whole number from 0 to {_SEEDS - 1}, not {self.seed!r}")


def refuse_below_one(name: str, value: Any) -> None:
    """Let None and whole numbers from 1 on pass.

    Raises:
        InputError: it is something else; names the setting.
    """
    if value is not None and (not _is_whole(value) or value < 1):
        raise InputError(f"{name}: must be a whole number of at least 1, not {value!r}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
