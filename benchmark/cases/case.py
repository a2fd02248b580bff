"""One case: a model, a workload and a setting, from its configuration to its row."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark.cases.measure import measure, measured_columns
from benchmark.cases.provenance import provenance
from benchmark.cases.resources import Model, Workload, refuse_misfit
from benchmark.decoding.buffer import Progress
from benchmark.errors import ExitBenchError, InputError
from benchmark.metrics.experiments import EXPERIMENTS, Choices
from benchmark.models.locate import Machine
from benchmark.results.row import SCHEMA_VERSION, Row
from benchmark.results.store import Store, read_row, read_tokens
from benchmark.trace.record import Trace
from benchmark.trace.sample import Sampling

SUITE = "oracle"
DEFAULT_BATCH_SIZE = 16


@dataclass(frozen=True)
class Settings:
    """What a session asks of every case; None leaves the choice to the model's entry or to the workload."""

    machine: Machine
    limit: int | None
    max_new_tokens: int | None
    batch_size: int | None
    alpha: float
    seed: int
    tau: tuple[float, ...]
    top_k: int
    sample: int | None
    """Tokens of the sample at most; None for all."""


class Case:
    """A model on a workload under the session's settings. Its experiments share one trace, and fill one row."""

    def __init__(self, model: Model, workload: Workload, settings: Settings, store: Store) -> None:
        """Touch nothing yet."""
        self.model = model
        self.workload = workload
        self.settings = settings
        self.store = store
        self.trace: Trace | None = None
        """Set when it has been measured, or read from disk, in this session."""
        self.measured = False
        """Whether it has been measured in this session."""
        self._failure: BaseException | None = None

    @cached_property
    def configuration(self) -> str:
        """8 hex digits over everything that was asked for, known before any weights are read.

        Raises:
            CannotRun, InputError: the model or the prompts are not to be had.
        """
        spec, source = self.model.spec, self.model.source()
        refuse_misfit(spec.name, source.task, self.workload.spec)
        asked = {
            "schema": SCHEMA_VERSION,
            "suite": SUITE,
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
            "tau": self.settings.tau,
            "top_k": self.settings.top_k,
            "sample": self.settings.sample,
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def path(self) -> Path:
        """File of this case's row."""
        return self.store.path(self.model.spec.name, self.workload.spec.name, SUITE, self.configuration)

    @property
    def row(self) -> Row | None:
        """The row as it stands on disk, of this run or an earlier one, whatever its status."""
        return read_row(self.path)

    @cached_property
    def earlier(self) -> Row | None:
        """The row as it stood when the session first looked."""
        return self.row

    @property
    def max_new_tokens(self) -> int:
        """Tokens generated for a prompt at most."""
        return self.settings.max_new_tokens or self.workload.spec.max_new_tokens

    @property
    def choices(self) -> Choices:
        """What the columns depend on besides the trace; once there is a row."""
        row = self.row
        if row is None:
            raise InputError(f"{self.path}: is gone; measure the case again")
        return Choices(self.settings.alpha, self.settings.seed, self.settings.tau, Choices.of_row(row).costs)

    @property
    def _batch_size(self) -> int:
        return self.settings.batch_size or self.model.spec.batch_size or DEFAULT_BATCH_SIZE

    @cached_property
    def _prompts_sha256(self) -> str:
        return hashlib.sha256(json.dumps(self.workload.prompts()).encode()).hexdigest()

    def read(self) -> None:
        """Take the trace of an earlier run, if its row went well and its tokens are intact."""
        row = self.row
        if row is not None and row.status == "ok":
            try:
                self.trace = read_tokens(self.path, row)
            except InputError:
                self.trace = None

    def measure(self, progress: Progress) -> None:
        """Load the model if need be, run every prompt, record every exit; writes the tokens and a row to fill.

        Raises:
            CannotRun, InputError: the model cannot be loaded.
            MeasurementError: no prompt fits the context, the logits are NaN, or memory ran out.
        """
        if self._failure is not None:
            raise self._failure
        started = datetime.now(UTC)
        try:
            measurement = measure(
                self.model.loaded(),
                self.workload.prompts(),
                self.workload.spec.kind == "chat" and self.model.spec.chat_template is not False,
                self.max_new_tokens,
                self._batch_size,
                Sampling(self.settings.sample, self.settings.top_k, self.settings.seed),
                progress,
            )
        except Exception as error:
            # Without the frames it came from; they would keep the model in memory.
            self._failure = error.with_traceback(None)
            raise
        row = Row(**self._frame(started), **measured_columns(measurement, self.model.loaded()), status="ok")
        self.trace, self.measured = measurement.capture.trace, True
        self.store.write(self.path, row, self.trace.write_parquet)
        # What the row had before it shall have again, whatever experiments this session asks for.
        for experiment in self.earlier.experiments if self.earlier else ():
            self.record(experiment, EXPERIMENTS[experiment](self.trace, self.choices))

    def record(self, experiment: str, columns: dict[str, Any]) -> Row:
        """Add an experiment's columns to the row; returns the row as it stands on disk.

        Raises:
            InputError: the row is gone.
        """

        def added(row: Row) -> Row:
            return Row(**{**row.model_dump(), **columns, "experiments": sorted({*row.experiments, experiment})})

        return self.store.update(self.path, added)

    def record_failure(self, error: BaseException) -> None:
        """Write a row that says why the case failed, unless an earlier run of it went well."""
        earlier = self.row
        if earlier is None or earlier.status == "failed":
            text = " ".join(str(error).split())
            reason = text if isinstance(error, ExitBenchError) else f"{type(error).__name__}: {text}"
            self.store.write(self.path, Row(**self._frame(datetime.now(UTC)), status="failed", error=reason[:500]))

    def _frame(self, started: datetime) -> dict[str, Any]:
        """The columns that are known before the model is loaded."""
        spec, source = self.model.spec, self.model.source()
        device = self.settings.machine.device
        return {
            "suite": SUITE,
            "model": spec.name,
            "workload": self.workload.spec.name,
            "configuration": self.configuration,
            "source": source.label,
            "revision": source.revision,
            "checkpoint": spec.checkpoint,
            "training_step": spec.training_step,
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
            "top_k": self.settings.top_k,
            "tau": list(self.settings.tau),
            "started": started.isoformat(timespec="seconds"),
            **provenance(device),
        }
