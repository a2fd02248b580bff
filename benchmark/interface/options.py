"""What the options of a measurement ask for, whoever has read them."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.inputs.selection import Shard
from benchmark.inputs.settings import ClockSettings, EngineName, GatedSettings
from benchmark.interface.option_table import (
    DEFAULT_DECODED_WORKLOADS,
    DEFAULT_GATES,
    DEFAULT_POLICIES,
    DEFAULT_TIMED_BATCHES,
    DEFAULT_TIMED_WORKLOAD,
    OPTIONS,
)
from benchmark.trace.sample import SignalsOf

if TYPE_CHECKING:  # which takes a second, and sessions without a case have none
    from benchmark.inputs.workload_entry import Cell, WorkloadEntry


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    model_file: Path | None
    model: list[str]
    shard: Shard | None
    workload: list[str]
    workload_file: list[Path]
    texts: Path | None
    study: str | None
    gate: list[str]
    policy: list[str]
    check_every: int
    min_exit_layer: int
    timed_batch: list[int]
    rounds: int
    max_pending: int
    limit: int | None
    max_new_tokens: int | None
    batch_size: int | None
    dtype: str | None
    device: str
    results_dir: Path
    rerun: str | None
    download: bool
    trust_remote_code: bool
    allow_code_execution: bool
    alpha: float
    top_k: int
    tau: tuple[float, ...]
    sample: int | None
    signals: SignalsOf
    engine: EngineName | None
    seed: int

    @property
    def studies(self) -> tuple[str, ...]:
        """The studies that are asked for; that of the clock wants an idle machine, and is run by itself.

        Nothing is decoded where texts are given.
        """
        if self.texts:
            return ("oracle",)
        return ("oracle", "decoding") if self.study is None else (self.study,)

    def decoded(self, workloads: "Sequence[WorkloadEntry]") -> "list[WorkloadEntry]":
        """Return the workloads of the decoding study: those that were named, else those that take minutes."""
        return self._beside(workloads, DEFAULT_DECODED_WORKLOADS)

    def cells(self, workloads: "Sequence[WorkloadEntry]") -> "list[Cell]":
        """Return the cases of every model in the studies of the oracle and of decoding, as far as they are asked for.

        Raises:
            InputError: a gate is not written as one.
        """
        from benchmark.inputs.workload_entry import Cell

        cells = [Cell(workload) for workload in workloads] if "oracle" in self.studies else []
        decoded = self.decoded(workloads) if "decoding" in self.studies else []
        return [*cells, *(Cell(workload, gated) for workload in decoded for gated in self.decodings())]

    def timed(self, workloads: "Sequence[WorkloadEntry]") -> "list[WorkloadEntry]":
        """Return the workloads of the study of the clock: those that were named, else one."""
        return self._beside(workloads, (DEFAULT_TIMED_WORKLOAD,))

    def _beside(self, workloads: "Sequence[WorkloadEntry]", usual: Sequence[str]) -> "list[WorkloadEntry]":
        if self.workload or self.workload_file:
            return [workload for workload in workloads if workload.kind not in ("masked", "text")]
        return [workload for workload in workloads if workload.name in usual]

    def decodings(self) -> list[GatedSettings]:
        """Return the cases of the decoding study that are asked for, for every model and workload.

        The oracle under `recompute` writes the full model's text, so it is run only where nothing else is asked of it.

        Raises:
            InputError: a gate is not written as one.
        """
        policies = self.policy or list(DEFAULT_POLICIES)
        return [
            GatedSettings.of(rule, policy, self.check_every, self.min_exit_layer)
            for rule in dict.fromkeys(self.gate or DEFAULT_GATES)
            for policy in dict.fromkeys(policies)
            if rule != "oracle" or policy != "recompute" or {*policies} == {"recompute"}
        ]

    def clocks(self) -> list[ClockSettings]:
        """Return the cases of the study of the clock that are asked for, for every model and workload.

        At batch 1, deferred decoding is timed with each gate that is named; with the first of the defaults else.

        Raises:
            InputError: a gate is not written as one, or not one that can be built; a setting is outside its range.
        """
        cases = []
        for size in dict.fromkeys(self.timed_batch or DEFAULT_TIMED_BATCHES):
            rules = dict.fromkeys(self.gate or DEFAULT_GATES[:1]) if size == 1 else [None]
            for rule in rules:
                gate = rule and GatedSettings.of(rule, "recompute", self.check_every, self.min_exit_layer)
                cases.append(ClockSettings(size, self.rounds, gate or None, self.max_pending))
        return cases

    @classmethod
    def among(cls, values: Mapping[str, Any]) -> "Options":
        """Return options with these values; what is not among them is as it is by default."""
        return cls(**{name: values.get(name, default) for name, default in defaults().items()})


def defaults() -> dict[str, Any]:
    """Return the value of every option where a person gives none, by the names of the fields of `Options`."""
    flags = {"store_true": False}
    return {
        name.removeprefix("--").replace("-", "_"): options.get("default", flags.get(options.get("action", "")))
        for name, options in OPTIONS.items()
    }
