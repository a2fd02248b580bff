"""One case: a model, a workload, a suite and a setting, from its configuration to its row."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from benchmark import hardware
from benchmark.capture import Capture, Progress, decode
from benchmark.costs import architecture
from benchmark.errors import CannotRun, ExitBenchError, MeasurementError
from benchmark.hub import Hub
from benchmark.loaded import LoadedModel
from benchmark.loading import free_memory, load
from benchmark.masking import fill_masks
from benchmark.prompts import encode, read_prompts
from benchmark.provenance import provenance
from benchmark.results import Store, read_row
from benchmark.row import SCHEMA_VERSION, Row
from benchmark.sources import Machine, Source, locate
from benchmark.specs import ModelSpec, WorkloadSpec

DEFAULT_BATCH_SIZE = 16

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """What a session asks of every case; None leaves the choice to the model's entry or to the workload."""

    machine: Machine
    limit: int | None
    max_new_tokens: int | None
    batch_size: int | None
    alpha: float
    seed: int


class Once(Generic[T]):
    """A value computed at the first call. An error meant for a person is remembered as well, and raised again."""

    def __init__(self, compute: Callable[[], T]) -> None:
        """Compute nothing yet."""
        self._compute = compute
        self._outcome: list[T | ExitBenchError] = []

    def __call__(self) -> T:
        """The value, or the error."""
        if not self._outcome:
            try:
                self._outcome.append(self._compute())
            except ExitBenchError as error:
                # Without the frames it came from; they would keep a model that failed in memory.
                error.__context__ = error.__cause__ = None
                self._outcome.append(error.with_traceback(None))
        outcome = self._outcome[0]
        if isinstance(outcome, ExitBenchError):
            raise outcome
        return outcome

    @property
    def error(self) -> ExitBenchError | None:
        """The error the first call ended in, if it did."""
        outcome = self._outcome[0] if self._outcome else None
        return outcome if isinstance(outcome, ExitBenchError) else None

    def forget(self) -> None:
        """Let go of the value, so that the next call computes it anew. An error stays."""
        if self.error is None:
            self._outcome.clear()


class Model:
    """An entry of the model file in a session: located and loaded when first needed, at most once."""

    def __init__(self, spec: ModelSpec, hub: Hub, machine: Machine, announce: Callable[[str], None]) -> None:
        """Touch nothing yet; `announce` is told before a step that takes long."""
        self.spec = spec
        self._tried_to_load = False
        self.source: Once[Source] = Once(lambda: locate(spec, hub, machine))
        self.loaded: Once[LoadedModel] = Once(lambda: self._load(machine, announce))

    def _load(self, machine: Machine, announce: Callable[[str], None]) -> LoadedModel:
        source = self.source()
        self._tried_to_load = True
        announce(f"{self.spec.name}: loading from {source.label}")
        return load(self.spec, source, machine)

    def release(self) -> None:
        """Free the memory of the loaded model."""
        self.loaded.forget()
        if self._tried_to_load:
            free_memory()
            self._tried_to_load = False


class Workload:
    """A workload in a session: its prompts are read when first needed, at most once."""

    def __init__(self, spec: WorkloadSpec, hub: Hub, limit: int | None) -> None:
        """Touch nothing yet; `limit` is `--limit`."""
        self.spec = spec
        self.limited = limit is not None and limit != spec.prompts
        self.prompts: Once[list[str]] = Once(lambda: read_prompts(spec, limit or spec.prompts, hub))


@dataclass(frozen=True)
class Case:
    """A model on a workload, asked for by a suite under the session's settings."""

    model: Model
    workload: Workload
    suite: str
    settings: Settings
    store: Store
    started: datetime

    @cached_property
    def configuration(self) -> str:
        """8 hex digits over everything that was asked for, known before any weights are read.

        Raises:
            CannotRun, InputError: the model or the prompts are not to be had.
        """
        spec, source = self.model.spec, self.model.source()
        if (source.task == "masked") != (self.workload.spec.kind == "masked"):
            raise CannotRun(
                "masked tokens are for encoder models, prompts for models that write",
                "choose another workload",
                f"{spec.name} on {self.workload.spec.name}",
            )
        asked = {
            "schema": SCHEMA_VERSION,
            "suite": self.suite,
            "source": source.label,
            "revision": source.revision,
            "dtype": self.settings.machine.dtype or spec.dtype,
            "device": self.settings.machine.device.type,
            "device_map": spec.device_map,
            "quantization": spec.quantization,
            "prompts": self._prompts_sha256,
            "kind": self.workload.spec.kind,
            "chat_template": spec.chat_template,
            "trust_remote_code": spec.trust_remote_code,
            "layer_stack": spec.layer_stack,
            "seam": spec.seam,
            "max_new_tokens": self.max_new_tokens,
            "batch_size": self._batch_size,
            "alpha": self.settings.alpha,
            "seed": self.settings.seed,
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def path(self) -> Path:
        """File of this case's row."""
        return self.store.path(self.model.spec.name, self.workload.spec.name, self.suite, self.configuration)

    @property
    def finished(self) -> Row | None:
        """The row of an earlier run of the same case, whatever its status."""
        return read_row(self.path)

    @property
    def max_new_tokens(self) -> int:
        """Tokens generated for a prompt at most."""
        return self.settings.max_new_tokens or self.workload.spec.max_new_tokens

    @property
    def _batch_size(self) -> int:
        return self.settings.batch_size or self.model.spec.batch_size or DEFAULT_BATCH_SIZE

    @property
    def _prompts_sha256(self) -> str:
        return hashlib.sha256(json.dumps(self.workload.prompts()).encode()).hexdigest()

    def decode(self, progress: Progress) -> "Measurement":
        """Load the model if need be, decode every prompt and record every exit.

        Raises:
            CannotRun, InputError: the model cannot be loaded.
            MeasurementError: no prompt fits the context, the logits are NaN, or memory ran out.
        """
        loaded = self.model.loaded()
        chat = (
            self.workload.spec.kind == "chat"
            and self.model.spec.chat_template is not False
            and loaded.tokenizer.chat_template is not None
        )
        encoded = encode(loaded.tokenizer, self.workload.prompts(), chat)
        # What an encoder reads and what a decoder then writes do not share a context.
        new_tokens = self.max_new_tokens if loaded.task == "causal" else 0
        kept = [
            number
            for number, ids in enumerate(encoded)
            # The last new token is never fed back.
            if ids and len(ids) + max(new_tokens - 1, 0) <= (loaded.context or math.inf)
        ]
        fitting = [encoded[number] for number in kept]
        if loaded.task == "encoder-decoder" and self.max_new_tokens > (loaded.context or math.inf):
            raise MeasurementError(
                f"the decoder has {loaded.context} positions, fewer than the {self.max_new_tokens} new tokens; "
                "use a smaller --max-new-tokens"
            )
        if not fitting:
            raise MeasurementError(
                f"none of the {len(encoded)} prompts, with {new_tokens} new tokens, fits the model's context "
                f"of {loaded.context} tokens; use a smaller --max-new-tokens or a model with a longer context"
            )
        progress(0, len(encoded) - len(fitting))
        hardware.reset_peak_memory(loaded.device)
        try:
            if loaded.task == "masked":
                capture = fill_masks(
                    loaded, fitting, self.max_new_tokens, self._batch_size, self.settings.seed, progress
                )
            else:
                capture = decode(loaded, fitting, self.max_new_tokens, self._batch_size, progress)
        except torch.OutOfMemoryError:
            raise MeasurementError(
                f"memory ran out at batch size {self._batch_size}; use a smaller --batch-size"
            ) from None
        in_workload = replace(capture.trace, prompt=np.array(kept)[capture.trace.prompt])
        capture = replace(capture, trace=in_workload)
        return Measurement(
            capture, len(fitting), len(encoded) - len(fitting), chat, hardware.peak_memory(loaded.device)
        )

    def record(self, measurement: "Measurement", columns: dict[str, Any]) -> Row:
        """Write the row of a case that went well, with its tokens beside it.

        Args:
            measurement: what `decode` returned.
            columns: the result columns computed from its trace.
        """
        capture, loaded = measurement.capture, self.model.loaded()
        row = Row(
            **self._frame(),
            **columns,
            status="ok",
            architecture=architecture(loaded.task, loaded.costs) if loaded.costs else None,
            parameters=loaded.costs.parameters if loaded.costs else loaded.num_parameters,
            active_parameters=loaded.costs.active_parameters if loaded.costs else None,
            num_layers=loaded.anatomy.num_layers,
            vocab_size=loaded.readout.vocab_size,
            dtype=loaded.dtype,
            batch_size=capture.batch_size,
            prompts=measurement.prompts,
            prompts_left_out=measurement.prompts_left_out,
            tokens=capture.trace.num_tokens,
            chat_template=measurement.chat_template,
            generate_seconds=capture.generate_seconds,
            oracle_seconds=capture.oracle_seconds,
            peak_memory_bytes=measurement.peak_memory_bytes,
        )
        return self.store.write(self.path, row, capture.trace.write_parquet)

    def record_failure(self, error: BaseException) -> None:
        """Write a row that says why the case failed, unless an earlier run of it went well."""
        earlier = self.finished
        if earlier is None or earlier.status == "failed":
            text = " ".join(str(error).split())
            reason = text if isinstance(error, ExitBenchError) else f"{type(error).__name__}: {text}"
            self.store.write(self.path, Row(**self._frame(), status="failed", error=reason[:500]))

    def _frame(self) -> dict[str, Any]:
        """The columns that are known before the model is loaded."""
        spec, source = self.model.spec, self.model.source()
        device = self.settings.machine.device
        return {
            "suite": self.suite,
            "model": spec.name,
            "workload": self.workload.spec.name,
            "configuration": self.configuration,
            "source": source.label,
            "revision": source.revision,
            "family": spec.family,
            "released": spec.released,
            "stage": spec.stage,
            "base_model": spec.base_model,
            "quantization": spec.quantization,
            "device": device.type,
            "max_new_tokens": self.max_new_tokens,
            "prompts_sha256": self._prompts_sha256,
            "limited": self.workload.limited,
            "alpha": self.settings.alpha,
            "seed": self.settings.seed,
            "started": self.started.isoformat(timespec="seconds"),
            **provenance(device),
        }


@dataclass(frozen=True)
class Measurement:
    """A capture, and what the row needs to know of how it was made."""

    capture: Capture
    prompts: int
    prompts_left_out: int
    chat_template: bool
    peak_memory_bytes: int
