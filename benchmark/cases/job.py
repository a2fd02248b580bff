"""A job: one model on one workload in one setting, as plain data; `run_job` makes a whole row of it.

pytest, the Python API, `make perf` and whoever spreads jobs over machines all call `run_job`; the loop is nowhere else.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmark.cases.identity import Asked, asked_of, frame_columns, machine_of
from benchmark.cases.resources import Resources
from benchmark.cases.studies.clock import CLOCK
from benchmark.cases.studies.decoding import DECODING
from benchmark.cases.studies.oracle import ORACLE
from benchmark.cases.studies.study import Study
from benchmark.decoding.buffer import Progress
from benchmark.errors import CannotRun, ExitBenchError, InputError
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.prompt import Prompt
from benchmark.inputs.settings import CaptureSettings, ClockSettings, GatedSettings
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.messages import cut
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.experiments import score
from benchmark.metrics.scoring import Scoring
from benchmark.results.recompute import rescore
from benchmark.results.row import Row
from benchmark.results.store import RowStore
from benchmark.results.suites import load_suites

_LONGEST_REASON = 500


@dataclass(frozen=True)
class Job:
    """What is to be measured, and how."""

    entry: ModelEntry
    workload: WorkloadEntry
    capture: CaptureSettings
    scoring: Scoring
    prompts: tuple[Prompt, ...] | None = None
    """Prompts that are given; None to read those of the workload."""
    suites: tuple[Path, ...] = ()
    """Files with experiments of somebody's own."""
    gated: GatedSettings | None = None
    """How tokens leave early, in a study of decoding; None for another."""
    clock: ClockSettings | None = None
    """What is timed, in a study of the clock; None for another. Without either it is a study of the oracle."""

    def __post_init__(self) -> None:
        """Hold the job together: plain data that passes from process to process.

        Raises:
            InputError: a part is something else, or the seeds of capture and scoring differ; a row has one.
        """
        kinds = {"entry": ModelEntry, "workload": WorkloadEntry, "capture": CaptureSettings, "scoring": Scoring}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise InputError(f"job: {name}: must be a {kind.__name__}, not {cut(getattr(self, name))}")
        for name, parts, kind in (("prompts", self.prompts or (), Prompt), ("suites", self.suites, Path)):
            if other := next((part for part in parts if not isinstance(part, kind)), None):
                raise InputError(f"job: {name}: must be {kind.__name__}s, not {cut(other)}")
        if self.gated is not None and self.clock is not None:
            raise InputError("job: gated, clock: a job is of one study; give one of them")
        if self.prompts and len({prompt.given is None for prompt in self.prompts}) > 1:
            raise InputError("job: prompts: some have a text behind them, others none; give one to each")
        if self.scoring.seed != self.capture.seed:
            raise InputError(
                f"seed: {self.capture.seed} of the capture is not {self.scoring.seed} of the scoring; give one"
            )


def run_job(
    job: Job,
    store: RowStore,
    progress: Progress = lambda tokens, prompts: None,
    resources: Resources | None = None,
    *,
    anew: bool = False,
    waiting: Callable[[str], None] = lambda holder: None,
) -> Row:
    """Return the row of a job, whole: measured now, or an earlier one, scored as the job asks.

    A case belongs to one process at a time. Who comes second waits, and then reads what the first has written.

    Args:
        job: what to measure.
        store: where the row is, or goes with its tokens in one write.
        progress: told after every step of decoding.
        resources: what jobs of this process share; by default nothing is shared, and nothing fetched.
        anew: measure also what an earlier run has finished.
        waiting: told once who holds the case, if somebody does.

    Raises:
        CannotRun: model or prompts are not on this machine, or cannot run here. No row is written.
        InputError, MeasurementError: the case failed. Its row says why, unless an earlier run of it went well.
    """
    resources = resources or Resources()
    case = located(job, resources)
    path = store.path(*case.place)
    with store.claim(path, waiting):
        row = store.read(path)
        if row is not None and row.status == "ok" and not anew and _intact(store, path, row):
            return rescore(store, path, row, job.scoring, case.experiments)
        try:
            return _measured(job, case, store, path, progress, resources)
        except Exception as error:
            _record_failure(case, store, path, error)
            raise


@dataclass(frozen=True)
class Located:
    """A job whose model and prompts are on this machine."""

    study: Study
    asked: Asked
    columns: dict[str, Any]
    """The columns that are known before the model is loaded."""
    experiments: tuple[Experiment[Any, Any], ...]
    """Those of the study, and somebody's own."""

    @property
    def place(self) -> tuple[str, str, str, str]:
        """Names of model, workload, study and configuration, which `Store.path` files a row under."""
        columns = self.columns
        return columns["model"], columns["workload"], columns["suite"], columns["configuration"]


def located(job: Job, resources: Resources) -> Located:
    """Find model and prompts of a job, and the name of its row; reads no weights.

    Raises:
        CannotRun, InputError: they are not to be had, or an experiment clashes with others.
    """
    study: Study = CLOCK if job.clock else DECODING if job.gated else ORACLE
    asked = asked_of(job.entry, job.workload, job.capture, job.prompts, resources, job.gated, job.clock)
    columns = frame_columns(study.name, job.entry, job.workload, job.capture, asked, resources)
    columns |= {"alpha": job.scoring.alpha, "tau": list(job.scoring.tau)}
    own = load_suites(job.suites) if study is ORACLE else ()  # those are of traces
    return Located(study, asked, columns, (*study.experiments, *own))


def _intact(store: RowStore, path: Path, row: Row) -> bool:
    """Whether the tokens of a row are those it was computed from; else the case is measured again."""
    try:
        store.tokens(path, row)
    except InputError:
        return False
    return True


def _measured(job: Job, case: Located, store: RowStore, path: Path, progress: Progress, resources: Resources) -> Row:
    model = resources.model(job.entry, machine_of(job.capture))
    started, begun = datetime.now(UTC).isoformat(timespec="seconds"), perf_counter()
    outcome = case.study.run(model, case.asked, progress, resources)
    resources.phase("scoring")
    columns = {
        **case.columns,
        **outcome.columns,
        **score(outcome.record, job.scoring, model.costs, case.experiments),
        "experiments": sorted(experiment.name for experiment in case.experiments),
        "started": started,
        "case_seconds": perf_counter() - begun,
        "load_seconds": resources.load_seconds,
        "status": "ok",
    }
    return store.write(path, Row(**columns), outcome.record)


def _record_failure(case: Located, store: RowStore, path: Path, error: Exception) -> None:
    """Write a row that says why the case failed, unless an earlier run of it went well."""
    earlier = store.read(path)
    if isinstance(error, CannotRun) or (earlier is not None and earlier.status == "ok"):
        return
    text = " ".join(str(error).split())
    reason = text if isinstance(error, ExitBenchError) else f"{type(error).__name__}: {text}"
    started = datetime.now(UTC).isoformat(timespec="seconds")
    columns = {**case.columns, "status": "failed", "error": reason[:_LONGEST_REASON], "started": started}
    with suppress(InputError):  # where nothing can be written, the error itself is told and there is no row
        store.write(path, Row(**columns), None)
