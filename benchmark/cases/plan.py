"""What a session would do here: which models can run on which workloads, what is missing, and what is done already.

Nothing is loaded and nothing is downloaded.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch

from benchmark.cases.case import Case, Settings
from benchmark.cases.resources import Model, Workload
from benchmark.errors import CannotRun, ExitBenchError, NotFetched
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.metrics.experiments import EXPERIMENTS, TAU
from benchmark.models import gguf_convert as gguf_cache
from benchmark.models import hardware
from benchmark.models.gguf_header import num_weights
from benchmark.models.hub import Hub, weight_files
from benchmark.models.locate import MEMORY_MARGIN, Machine, Source, loaded_bytes
from benchmark.results.row import Row
from benchmark.results.store import Store, read_rows
from benchmark.trace.sample import SAMPLE, TOP_K

_SAVED_BYTES = 2
"""Of a weight, when nobody has said and the files are not here: 16 bit, as nearly all checkpoints are."""
_CONVERTED_BYTES = 4
"""Of a weight of a GGUF file, which is kept in float32."""


@dataclass
class ModelPlan:
    """What can be done with one model."""

    name: str
    memory: float | None
    """Bytes it takes once it is loaded, with room to run; None if its size is not known."""
    disk: float | None
    """Bytes that will be fetched, or written when it is converted; None if its size is not known."""
    missing: CannotRun | ExitBenchError | None = None
    """Why it cannot run now."""
    done: list[str] = field(default_factory=list)
    """Workloads measured before, in the setting of a plain run."""
    failed: list[str] = field(default_factory=list)
    """Workloads that failed before."""
    to_do: list[str] = field(default_factory=list)
    """Workloads that would be measured."""
    lacking: dict[str, CannotRun] = field(default_factory=dict)
    """Workloads whose data are not here, and why."""
    seconds: float | None = None
    """About how long those to do take at most; None where nothing like it was measured here."""
    rows: int = 0
    """Rows that the time was taken from."""

    @property
    def waits_for_download(self) -> bool:
        """Whether `--download` is all that is missing."""
        return isinstance(self.missing, NotFetched)


def plan(
    models: Sequence[ModelEntry], workloads: Sequence[WorkloadEntry], machine: Machine, folder: Path
) -> Iterator[ModelPlan]:
    """What a plain run of these models on these workloads would do.

    Args:
        models: entries of the model file.
        workloads: those asked for.
        machine: what would run them.
        folder: of results.
    """
    hub, store = Hub(download=False), Store(folder)
    settings = Settings(machine, None, None, None, alpha=0.5, seed=0, tau=TAU, top_k=TOP_K, sample=SAMPLE)
    texts = [Workload(spec, hub, None) for spec in workloads]
    here = hardware.accelerator(machine.device)
    # What comes before the first token would weigh too much in short runs.
    full = [row for row in read_rows(folder) if row.accelerator == here and not row.limited]
    measured = [row for row in full if row.tokens and row.parameters]
    for spec in models:
        model = Model(spec, hub, machine, announce=lambda text: None)
        try:
            source = model.source()
        except ExitBenchError as error:
            yield _without_files(spec, machine, error)
            continue
        planned = ModelPlan(spec.name, *_with_files(spec, machine, source))
        todo = [case for case in (Case(model, text, settings, store) for text in texts) if _sorted_in(case, planned)]
        _estimate(planned, spec, [case.workload.spec for case in todo], measured)
        yield planned


def _without_files(spec: ModelEntry, machine: Machine, error: ExitBenchError) -> ModelPlan:
    """Of a model that is not here; one that would not fit is not worth fetching."""
    if spec.parameters is None:
        return ModelPlan(spec.name, None, None, error)
    memory = spec.parameters * loaded_bytes(spec, machine, _SAVED_BYTES) * MEMORY_MARGIN
    planned = ModelPlan(spec.name, memory, spec.parameters * _SAVED_BYTES, error)
    free = hardware.free_memory_everywhere() if spec.device_map else hardware.free_memory(machine.device)
    if planned.waits_for_download and memory > free:
        planned.missing = CannotRun(
            f"needs about {memory / 1e9:.3g} GB of memory, {free / 1e9:.3g} GB are free on {machine.device.type}",
            "use a larger machine, a smaller --dtype, or 'quantization' or 'device_map' in the entry",
        )
    return planned


def _with_files(spec: ModelEntry, machine: Machine, source: Source) -> tuple[float, float]:
    """Memory and disk that a model whose files are here takes."""
    if source.is_gguf:
        weights = num_weights(source.path)
        kept = source.revision.removeprefix("sha256:")[:16]
        converted = any((gguf_cache.cache_folder() / "gguf").glob(f"{kept}-*"))
        memory = weights * loaded_bytes(spec, machine, _CONVERTED_BYTES)
        return memory * MEMORY_MARGIN, 0 if converted else weights * _CONVERTED_BYTES
    weight_bytes = sum(file.stat().st_size for file in weight_files(source.path))
    config = json.loads((source.path / "config.json").read_bytes())
    saved_as = getattr(torch, str(config.get("dtype") or config.get("torch_dtype")), None)
    stored = saved_as.itemsize if isinstance(saved_as, torch.dtype) else _SAVED_BYTES
    return weight_bytes / stored * loaded_bytes(spec, machine, stored) * MEMORY_MARGIN, 0


def _sorted_in(case: Case, planned: ModelPlan) -> bool:
    """Put a case where it belongs; returns whether it would be measured."""
    name = case.workload.spec.name
    try:
        case.workload.prompts()
    except CannotRun as error:
        planned.lacking[name] = error
        return False
    try:
        row = case.row
    except CannotRun:  # prompts for an encoder, or masked texts for a model that writes
        return False
    if row is not None and row.status == "ok" and EXPERIMENTS.keys() <= set(row.experiments):
        planned.done.append(name)
        return False
    if row is not None and row.status == "failed":
        planned.failed.append(name)
    planned.to_do.append(name)
    return True


def _estimate(
    planned: ModelPlan, spec: ModelEntry, workloads: Sequence[WorkloadEntry], measured: Sequence[Row]
) -> None:
    """By what a token took here before: of this model, else of others, by their number of parameters."""
    own = [row for row in measured if row.model == spec.name]
    parameters = own[0].parameters if own else spec.parameters
    if not workloads or not measured or parameters is None:
        return
    like = own or list(measured)
    tokens = sum(workload.prompts * workload.max_new_tokens for workload in workloads)
    rate = median(
        ((row.generate_seconds or 0) + (row.oracle_seconds or 0)) / (row.tokens or 1) / (row.parameters or 1)
        for row in like
    )
    planned.seconds, planned.rows = rate * tokens * parameters, len(like)
