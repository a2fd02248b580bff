"""What a run would do here: which models can run on which workloads, what is missing, and what is done already.

Nothing is loaded and nothing is downloaded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.cases.identity import machine_of
from benchmark.cases.job import Job, located
from benchmark.cases.planning.estimate import estimate
from benchmark.cases.resources import Resources
from benchmark.errors import CannotRun, ExitBenchError, NotFetched
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.settings import CaptureSettings
from benchmark.inputs.workload_entry import Cell
from benchmark.metrics.scoring import Scoring
from benchmark.models import hardware
from benchmark.models.footprint import footprint, free_for, published_footprint, remedy_for
from benchmark.models.source import Machine
from benchmark.results.store import Store
from benchmark.results.table import read_rows


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
    """Cases measured before: workloads and, in the study of decoding, the rule beside each."""
    failed: list[str] = field(default_factory=list)
    """Cases that failed before."""
    to_do: list[str] = field(default_factory=list)
    """Cases that would be measured."""
    lacking: dict[str, CannotRun] = field(default_factory=dict)
    """Workloads whose data are not here, and why."""
    seconds: float | None = None
    """About how long those to do take, loading included; None where nothing like it was measured here."""
    rows: int = 0
    """Rows that the time was taken from."""

    @property
    def waits_for_download(self) -> bool:
        """Whether permission to download is all that is missing."""
        return isinstance(self.missing, NotFetched)


def plan(
    models: Sequence[ModelEntry],
    cells: Sequence[Cell],
    settings: CaptureSettings,
    folder: Path,
) -> Iterator[ModelPlan]:
    """Yield what a run of each of these models would do.

    Args:
        models: entries of the model file.
        cells: of each model.
        settings: of what would be captured.
        folder: of results.
    """
    resources, store, machine = Resources(), Store(folder), machine_of(settings)
    here = hardware.accelerator(machine.device)
    measured = [row for row in read_rows(folder) if row.accelerator == here and row.tokens and row.parameters]
    scoring = Scoring(seed=settings.seed)
    for entry in models:
        try:
            source = resources.source(entry, machine)
        except ExitBenchError as error:
            yield _without_files(entry, machine, error)
            continue
        planned = ModelPlan(entry.name, *footprint(entry, machine, source))
        todo = []
        for cell in cells:
            job = Job(entry, cell.workload, settings, scoring, gated=cell.gated)
            if _sorted_in(job, cell.title, store, resources, planned):
                todo.append(job)
        if (found := estimate(todo, measured)) is not None:
            planned.seconds, planned.rows = found.seconds, found.rows
        yield planned


def biggest_first(plans: Sequence[ModelPlan]) -> list[ModelPlan]:
    """Return plans by the memory their models take; last those of which it is not known."""
    return sorted(plans, key=lambda planned: -(planned.memory or 0))


def _without_files(entry: ModelEntry, machine: Machine, error: ExitBenchError) -> ModelPlan:
    """Of a model that is not here; one that would not fit is not worth fetching."""
    size = published_footprint(entry, machine)
    if size is None:
        return ModelPlan(entry.name, None, None, error)
    memory, disk = size
    planned = ModelPlan(entry.name, memory, disk, error)
    free = free_for(entry, machine)
    if planned.waits_for_download and memory > free:
        planned.missing = CannotRun(
            f"needs about {memory / 1e9:.3g} GB of memory, {free / 1e9:.3g} GB are free on {machine.device.type}",
            remedy_for(entry, machine, {}),
        )
    return planned


def _sorted_in(job: Job, title: str, store: Store, resources: Resources, planned: ModelPlan) -> bool:
    """Put a case where it belongs; returns whether it would be measured."""
    try:
        resources.prompts(job.workload, job.capture.limit or job.workload.prompts)
    except CannotRun as error:
        planned.lacking[job.workload.name] = error
        return False
    try:
        case = located(job, resources)
    except CannotRun:  # prompts for an encoder, or masked texts for a model that writes
        return False
    row = store.read(store.path(*case.place))
    if row is not None and row.status == "ok":
        planned.done.append(title)
        return False
    if row is not None:
        planned.failed.append(title)
    planned.to_do.append(title)
    return True
