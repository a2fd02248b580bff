"""Settings that say what is captured, for all cases of a run; None leaves a choice to the entry or the workload."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from benchmark.errors import InputError
from benchmark.messages import cut, nearest
from benchmark.trace.sample import SAMPLE, TOP_K, SignalsOf

DEFAULT_BATCH_SIZE = 16
DEVICES = ("cpu", "cuda", "xpu", "npu", "hpu", "mtia")
"""What a model may run on, as torch names it."""
EngineName = Literal["generate", "two-phase"]
"""What decodes: `generate` with every layer watched, or undisturbed and what it has written read afterwards."""
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
_AT_LEAST_ONE = ("limit", "max_new_tokens", "batch_size", "top_k", "sample")
_SEEDS = 2**32


@dataclass(frozen=True)
class CaptureSettings:
    """What is captured, as plain data. All of it but `limit` and what is allowed is asked of every model alike."""

    device: str = "cpu"
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
    texts: Path | None = None
    """File of the texts that another engine has written behind the prompts; None lets the model write them."""
    engine: EngineName | None = None
    """What decodes in a study of the oracle; None takes two phases for causal models on CUDA."""

    def __post_init__(self) -> None:
        """Hold the settings against their ranges.

        Raises:
            InputError: one is outside of its range; names it.
        """
        for name in _AT_LEAST_ONE:
            refuse_below_one(name, getattr(self, name))
        if self.engine is not None:
            refuse_other("engine", self.engine, ENGINES)
        if self.texts is not None and self.engine == "two-phase":
            raise InputError(
                "engine: two phases are for texts that the model writes, and these are given; leave it out"
            )
        if self.signals not in get_args(SignalsOf):
            raise InputError(f"signals: must be one of {', '.join(get_args(SignalsOf))}, not {self.signals!r}")
        if not _is_whole(self.seed) or not 0 <= self.seed < _SEEDS:
            raise InputError(f"seed: must be a whole number from 0 to {_SEEDS - 1}, not {self.seed!r}")


GateName = Literal["max_prob", "margin", "entropy", "saturation", "patience", "static", "learned", "oracle"]
Policy = Literal["recompute", "propagate", "copy"]
"""What deeper layers get of a position that left: their true states, the state it left with as their input, or the keys
and values of the exit layer."""
POLICIES: tuple[Policy, ...] = get_args(Policy)
WHOLE_THRESHOLDS: tuple[GateName, ...] = ("patience", "static")
"""Gates whose threshold is a number of looks, or a layer."""


@dataclass(frozen=True)
class GatedSettings:
    """How tokens leave early, as plain data: by which gate, how strict, and what becomes of the layers they skip."""

    gate: GateName
    threshold: float | None = None
    """λ; of `patience` the number of looks k, of `static` the layer E. None of the oracle, and with a `target`."""
    target: float | None = None
    """Share of the full model's tokens that the gate is to keep, by the threshold that half of the prompts choose."""
    policy: Policy = "propagate"
    check_every: int = 1
    """Every how many layers the gate looks."""
    min_exit_layer: int = 1
    """The layer from which on it looks."""

    def __post_init__(self) -> None:
        """Hold the settings against their ranges.

        Raises:
            InputError: one is outside of its range, or threshold and target do not fit the gate; names it.
        """
        refuse_other("gate", self.gate, get_args(GateName))
        refuse_other("policy", self.policy, POLICIES)
        for name in ("check_every", "min_exit_layer"):
            refuse_below_one(name, getattr(self, name))
        given = [value for value in (self.threshold, self.target) if value is not None]
        if self.gate == "oracle":
            if given:
                raise InputError("gate: the oracle has no threshold; write 'oracle'")
        elif len(given) != 1:
            raise InputError(f"gate: {self.gate} needs a threshold or a target; write '{self.gate}@0.95' for a target")
        if self.gate == "learned" and self.target is None:
            raise InputError("gate: learned is fitted to half of the prompts; give it a target: 'learned@0.95'")
        if self.target is not None and not 0 < self.target <= 1:
            raise InputError(f"gate: the target of {self.gate} must be above 0 and at most 1, not {self.target:g}")
        if self.threshold is None:
            return
        if self.gate in WHOLE_THRESHOLDS:
            if self.threshold < 1 or not float(self.threshold).is_integer():
                raise InputError(f"gate: {self.gate} takes a whole number of at least 1, not {self.threshold:g}")
        elif not 0 <= self.threshold <= 1:
            raise InputError(f"gate: the threshold of {self.gate} must be between 0 and 1, not {self.threshold:g}")

    @property
    def rule(self) -> str:
        """The gate with its threshold or target, as a person writes it."""
        return rule_text(self.gate, self.threshold, self.target)

    @property
    def title(self) -> str:
        """What tells the case from others of its model and workload, as a person writes it."""
        return f"{self.rule}-{self.policy}"

    @classmethod
    def of(cls, rule: str, policy: str, check_every: int = 1, min_exit_layer: int = 1) -> "GatedSettings":
        """Return the settings of a rule as a person writes it.

        Raises:
            InputError: it is not written so.
        """
        gate, sign, number = rule.partition("@" if "@" in rule else "=")
        refuse_other("gate", gate, get_args(GateName))
        refuse_other("policy", policy, POLICIES)
        value = None
        if sign:
            try:
                value = float(number)
            except ValueError:
                raise InputError(f"gate: {rule!r}: {number!r} is not a number; write 'margin=0.8'") from None
        threshold, target = (None, value) if sign == "@" else (value, None)
        return cls(gate, threshold, target, policy, check_every, min_exit_layer)  # type: ignore[arg-type]


LEAST_ROUNDS = 3
TIMED_PROMPTS = 4
"""Prompts that are timed of a workload, or one batch of them: each is written some dozen times."""
MAX_PENDING = 64
"""Tokens that may wait in deferred decoding: their states are small, and running a layer for many at once is cheap."""


@dataclass(frozen=True)
class ClockSettings:
    """What is timed, as plain data."""

    batch_size: int = 1
    """Texts that are written together."""
    rounds: int = 3
    """How often each way to write them is timed, in turns."""
    gate: GatedSettings | None = None
    """A real gate to time deferred decoding with, at batch 1; its policy is `recompute`, whose text it writes."""
    max_pending: int = MAX_PENDING
    """Tokens that may wait for deeper layers before all layers run for all of them."""

    def __post_init__(self) -> None:
        """Hold the settings against their ranges.

        Raises:
            InputError: one is outside of its range, or the gate cannot be timed; names it.
        """
        for name in ("batch_size", "rounds", "max_pending"):
            refuse_below_one(name, getattr(self, name))
        if self.rounds < LEAST_ROUNDS:
            raise InputError(f"rounds: must be at least {LEAST_ROUNDS}, or there is no median, not {self.rounds}")
        if self.gate is not None and (self.gate.gate == "oracle" or self.gate.policy != "recompute"):
            raise InputError(f"gate: {self.gate.title} is not timed; name a gate that can be built: margin@0.95")

    @property
    def title(self) -> str:
        """What tells the case from others of its model and workload, as a person writes it."""
        return f"batch-{self.batch_size}" + ("" if self.gate is None else f"-{self.gate.rule}")


def timed_prompts(most: int, batch_size: int) -> int:
    """Return how many prompts are timed of a workload that has so many."""
    return min(most, max(TIMED_PROMPTS, batch_size))


def rule_text(gate: str, threshold: float | None, target: float | None) -> str:
    """Return a gate with its threshold or target, as a person writes it: `margin=0.8`, `margin@0.95` or `oracle`."""
    if target is not None:
        return f"{gate}@{target:g}"
    return gate if threshold is None else f"{gate}={threshold:g}"


def refuse_other(name: str, value: str, known: Collection[str]) -> None:
    """Let one of some names pass.

    Raises:
        InputError: it is another one; names the setting, the names there are, and the nearest.
    """
    if value not in known:
        near = nearest(str(value), known)
        meant = f"; did you mean '{near}'?" if near else ""
        raise InputError(f"{name}: there is no {cut(value)}; there are: {', '.join(known)}{meant}")


def refuse_below_one(name: str, value: Any) -> None:
    """Let None and whole numbers from 1 on pass.

    Raises:
        InputError: it is something else; names the setting.
    """
    if value is not None and (not _is_whole(value) or value < 1):
        raise InputError(f"{name}: must be a whole number of at least 1, not {value!r}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
