"""What runs on a node: it says what it is and what it could run, and measures the cells of one model."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cases.code.jail import end_with_parent
from benchmark.errors import CannotRun, ExitBenchError, told
from benchmark.grid.work import (
    CellEnded,
    CellOutcome,
    CellStarted,
    GridSettings,
    Host,
    ModelWork,
    Outlook,
    Place,
    SentRow,
)
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.packaged import PACKAGE
from benchmark.inputs.workload_entry import Cell

if TYPE_CHECKING:  # which would import torch, and the driver needs none
    from benchmark.cases.job import Job
    from benchmark.cases.resources import Resources
    from benchmark.results.store import Store

_LONGEST_REASON = 300


def harness() -> str:
    """Return version and code of this package: rows of one grid are made by the same code."""
    from importlib.metadata import version

    digest = sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        if not name.startswith(("suites/", "tools/")):  # an installed package has them elsewhere, or not at all
            digest.update(f"{name} {sha256(file.read_bytes()).hexdigest()}\n".encode())
    return f"{version('exitbench')}, code {digest.hexdigest()[:8]}"


def looker() -> Callable[[Path], tuple[str | None, bool]]:
    """Return a function that looks at a node: which harness is installed there, and whether it sees and can write a
    folder, by a file that lies in it.

    It travels as code, not by name, so that it runs also where the package is missing.
    """

    def look(mark: Path) -> tuple[str | None, bool]:
        import tempfile

        try:
            from benchmark.grid.worker import harness

            found = harness()
        except ImportError:
            from importlib import metadata

            try:
                found = f"{metadata.version('exitbench')}, of which benchmark.grid cannot be imported"
            except metadata.PackageNotFoundError:
                return None, False
        try:
            with tempfile.TemporaryFile(dir=mark.parent):
                return found, mark.exists()
        except OSError:
            return found, False

    return look


def describe(entries: Sequence[ModelEntry], cells: Sequence[Cell], asked: GridSettings, cpus: int) -> Host:
    """Return what this machine is, and what it says of each model; loads and fetches nothing."""
    import torch

    from benchmark.cases.planning.plan import plan
    from benchmark.models import hardware

    torch.set_num_threads(cpus)  # rows say how many, and times are known of rows that had as many
    try:
        device = hardware.choose_device(asked.device)
    except ExitBenchError as error:
        return Host("cpu", None, {entry.name: Outlook(None, told(error)) for entry in entries})
    capture = replace(asked.capture, device=device.type)
    outlooks = {}
    for entry, planned in zip(entries, plan(entries, cells, capture, asked.results), strict=True):
        missing = planned.missing
        if missing is not None and planned.waits_for_download and asked.download:
            missing = None
        seconds = None if planned.seconds is None else planned.seconds / max(len(planned.to_do), 1)
        reason = "" if missing is None else _line(told(missing))
        outlooks[entry.name] = Outlook(planned.memory, reason, entry.device_map is not None, seconds)
    return Host(device.type, _gpu_memory() if device.type != "cpu" else None, outlooks)


def measure(
    work: ModelWork, asked: GridSettings, cpus: int, shared: bool, finished: frozenset[Place]
) -> Iterator[CellStarted | CellEnded]:
    """Measure the cells of a model, one after the other, and tell when each begins and what came of it.

    Args:
        work: the model, and its cells.
        asked: what is asked of all.
        cpus: threads to compute with.
        shared: whether rows go to the results folder; else each is sent, and nothing of it stays here.
        finished: rows that are in a results folder that is not to be seen here.
    """
    end_with_parent()  # a killed node leaves nobody behind

    import torch

    from benchmark.cases.job import Job
    from benchmark.cases.resources import Resources
    from benchmark.metrics.scoring import Scoring
    from benchmark.models import hardware
    from benchmark.models.hub import Hub
    from benchmark.results.store import Store

    torch.set_num_threads(cpus)
    capture = replace(asked.capture, device=hardware.choose_device(asked.device).type)
    resources = Resources(Hub(asked.download))
    with ExitStack() as held:
        held.callback(resources.release)
        for number, cell in work.cells.items():
            yield CellStarted(number)
            job = Job(work.entry, cell.workload, capture, Scoring(seed=capture.seed), gated=cell.gated)
            if shared:
                yield _ended(number, job, Store(asked.results), resources)
            else:
                with tempfile.TemporaryDirectory(prefix="exitbench-grid-") as folder:
                    yield _ended(number, job, Store(Path(folder)), resources, finished, sends=True)


def _ended(
    number: int,
    job: "Job",
    store: "Store",
    resources: "Resources",
    finished: frozenset[Place] = frozenset(),
    sends: bool = False,
) -> CellEnded:
    """Measure one cell, unless it is finished; never raises what is wrong with the cell alone."""
    from benchmark.cases.job import located, run_job

    decoded = False

    def progress(tokens: int, prompts: int) -> None:
        nonlocal decoded
        decoded = True

    place: Place | None = None
    outcome, reason = CellOutcome.BEFORE, ""
    try:
        place = located(job, resources).place
        if place in finished:
            return CellEnded(number, CellOutcome.BEFORE)
        run_job(job, store, progress, resources)
        outcome = CellOutcome.MEASURED if decoded else CellOutcome.BEFORE
    except CannotRun as error:
        return CellEnded(number, CellOutcome.CANNOT, _line(told(error)))
    except Exception as error:  # of this case alone; run_job has written a row that says so
        text = told(error) if isinstance(error, ExitBenchError) else f"{type(error).__name__}: {error}"
        outcome, reason = CellOutcome.FAILED, _line(text)
    sent = _sent(store, place) if sends and place is not None else None
    return CellEnded(number, outcome, reason, sent)


def _sent(store: "Store", place: Place) -> SentRow | None:
    path = store.path(*place)
    if not path.exists():
        return None
    tokens = path.with_suffix(".parquet")
    return SentRow(place, path.read_bytes(), tokens.read_bytes() if tokens.exists() else None)


def _gpu_memory() -> float | None:
    import torch

    sizes = [torch.accelerator.get_memory_info(one)[1] for one in range(torch.accelerator.device_count())]
    return float(min(sizes)) if sizes else None


def _line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_REASON]
