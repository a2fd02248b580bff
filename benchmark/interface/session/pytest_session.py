"""What one pytest session measures, and what has come of it so far."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchmark import ranks
from benchmark.cases.case import Case
from benchmark.cases.identity import full_run, machine_of
from benchmark.cases.job import Job, Located, located, run_job
from benchmark.cases.ranked_store import RankedStore
from benchmark.cases.resources import Resources
from benchmark.errors import CannotRun, ExitBenchError, InputError, NotFetched, told
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.settings import ClockSettings, GatedSettings
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.interface.option_table import capture_settings
from benchmark.interface.options import Options
from benchmark.interface.session.workers import Ended, Names
from benchmark.interface.terminal.display import Display
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.scoring import Scoring
from benchmark.models import hardware
from benchmark.models.hub import Hub
from benchmark.results.row import Row
from benchmark.results.store import Store

Variant = GatedSettings | ClockSettings | None
"""How tokens leave early in the study of decoding, what is timed in that of the clock; None in that of the oracle."""
Combination = tuple[ModelEntry, WorkloadEntry, Variant]
"""A case: a model, a workload, and which of the cases of its study it is."""


def names_of(job: Job) -> Names:
    """Return what tells a case from the others of its session."""
    variant = job.gated or job.clock
    return job.entry.name, job.workload.name, "" if variant is None else variant.title


def title_of(names: Names) -> str:
    """Return what a person reads of a case."""
    return " × ".join(filter(None, names))


class MeasuringSession:
    """The models, workloads and settings of one pytest session, and the cases it has seen."""

    def __init__(
        self,
        options: Options,
        models: list[ModelEntry],
        workloads: list[WorkloadEntry],
        display: Display,
    ) -> None:
        """Load nothing yet.

        Raises:
            InputError: the device is not there, or a gate is not written as one.
        """
        self.models, self.workloads = models, workloads
        self.ended = Ended()
        self.told: set[str] = set()
        """Names of models and workloads that were told to be none that can run here."""
        self.own: list[Experiment[Any]] = []
        """Experiments that the collected suites declare."""
        self.suites: list[Path] = []
        """Files of these."""
        self.decodings = [] if options.study == "clock" else options.decodings()
        """Rules and policies of the decoding study."""
        self.clocks = options.clocks() if options.study == "clock" else []
        """Cases of the study of the clock, which runs where it is asked for."""
        self.studies = options.studies
        """The studies that are asked for."""
        self.decoded_workloads, self.timed_workloads = options.decoded(workloads), options.timed(workloads)
        """Workloads of the study of decoding, and of that of the clock."""
        self.device = hardware.choose_device(options.device)
        self._folder = Store(options.results_dir)
        self.store = self._folder
        if ranks.ranks() > 1:
            ranks.join(self.device.type)
            self.store = RankedStore(options.results_dir)
        self._rerun = options.rerun
        self._display = display
        self._download = options.download
        self._resources = Resources(Hub(options.download), display.announce, display.phase)
        # What cannot be had without a download is no reason to leave it away, if downloads are allowed.
        self._looking = Resources() if options.download else self._resources
        self._capture = capture_settings(options, self.device.type)
        self._scoring = Scoring(options.alpha, options.tau, options.seed)
        self._earlier: dict[Names, Row | None] = {}
        self._rows: dict[Names, Row] = {}
        self._failures: dict[Names, BaseException] = {}

    @property
    def names(self) -> tuple[list[str], list[str]]:
        """Names of the models and of the workloads."""
        return [entry.name for entry in self.models], [workload.name for workload in self.workloads]

    def job(self, entry: ModelEntry, workload: WorkloadEntry, variant: Variant = None) -> Job:
        """Return the job of a case."""
        of_study: dict[str, Any] = {"clock" if isinstance(variant, ClockSettings) else "gated": variant}
        return Job(entry, workload, self._capture, self._scoring, suites=tuple(self.suites), **of_study)

    def case(
        self,
        entry: ModelEntry,
        workload: WorkloadEntry,
        experiment: str | None,
        measure: Callable[[Callable[[], Row]], Row],
        variant: Variant = None,
    ) -> Case:
        """Return a case, measured now or earlier; skips the test when an earlier run has finished its experiment.

        Args:
            entry: of the model.
            workload: to run.
            experiment: the one that the test is of; None when it is of none.
            measure: calls what measures, and may time it.
            variant: which of the cases of its study it is.

        Raises:
            CannotRun: model or workload cannot run here.
            InputError, MeasurementError: the case failed, now or for an earlier test of the session.
        """
        job = self.job(entry, workload, variant)
        names = names_of(job)
        if names in self._failures:
            raise self._failures[names].with_traceback(None)  # else it grows by some frames each time
        with self._display.working("finding model and data"):
            here = located(job, self._resources)
        path = self.store.path(*here.place)
        if names not in self._rows:
            earlier = self._earlier.setdefault(names, self.store.read(path))
            self.ended.rows[names] = str(path)
            if (finished := self._finished(here, path, earlier, experiment)) is not None:
                return finished
            self._rows[names] = self._measured(job, here, measure)
        return Case(path, self._rows[names])

    def refused(self, entry: ModelEntry, workload: WorkloadEntry, variant: Variant = None) -> CannotRun | None:
        """Return why a case cannot run here, as far as that can be known before anything is downloaded."""
        job = self.job(entry, workload, variant)
        try:
            located(job, self._looking)
        except CannotRun as error:
            if self._download and isinstance(error, NotFetched):
                return None
            if error not in self._looking.cannot_run().values():  # of neither alone
                self.ended.cannot_run[title_of(names_of(job))] = error
            return error
        except ExitBenchError:  # the test of the case will tell it
            pass
        return None

    def expect(self, cases: Iterable[Combination]) -> None:
        """Tell the display which of some cases are to be measured, and how large each is."""
        to_do = [case for case in cases if self._is_to_do(*case)]
        # Layers of larger models take longer; of some models nothing is known before they are loaded.
        known = all(entry.parameters for entry, _, _ in to_do)
        sizes = {}
        for entry, workload, variant in to_do:
            clock = variant if isinstance(variant, ClockSettings) else None
            prompts = self._capture.limit or full_run(workload, clock)
            tokens = prompts * (self._capture.max_new_tokens or workload.max_new_tokens)
            names = names_of(self.job(entry, workload, variant))
            sizes[title_of(names)] = float(tokens * (entry.parameters or 1 if known else 1))
        self._display.expect(sizes)

    def _is_to_do(self, entry: ModelEntry, workload: WorkloadEntry, variant: Variant) -> bool:
        try:
            here = located(self.job(entry, workload, variant), self._looking)
            row = self._folder.read(self._folder.path(*here.place))
        except ExitBenchError:
            return True
        if row is None:
            return self._rerun != "failed"
        return self._will_decode(row) and not (row.status == "failed" and self._rerun == "missing")

    def release(self) -> None:
        """Free the memory of the loaded model."""
        self._resources.release()

    def write_table(self) -> None:
        """Bring the folder's table up to date, if the session has rows; remembers why that cannot be."""
        try:
            if self.ended.rows:
                with self._display.working("writing the table"):
                    self.store.write_table()
        except InputError as error:
            self.ended.table = told(error)

    def report(self) -> Ended:
        """Return what the session leaves."""
        self.ended.cannot_run |= self._resources.cannot_run()
        if self._looking is not self._resources:
            missing = self._looking.cannot_run().items()
            self.ended.cannot_run |= {name: error for name, error in missing if not isinstance(error, NotFetched)}
        return self.ended

    def complete(self, cases: Iterable[Combination]) -> tuple[int, int]:
        """Return how many of some cases have a row that went well, and how many can run here at all."""
        done = possible = 0
        for entry, workload, variant in cases:
            try:
                # Of an interrupted session the other ranks may not be there any more.
                row = self._folder.read(self._path(self.job(entry, workload, variant)))
            except CannotRun:
                continue
            except ExitBenchError:
                row = None
            possible += 1
            done += row is not None and row.status == "ok"
        return done, possible

    def _path(self, job: Job) -> Path:
        return self.store.path(*located(job, self._resources).place)

    def _finished(self, case: Located, path: Path, earlier: Row | None, experiment: str | None) -> Case | None:
        """The case as an earlier run left it, if nothing is to be done; a test of one of its experiments is skipped."""
        if self._rerun == "failed" and earlier is None:
            pytest.skip("never measured; --rerun failed only repeats failures")
        if earlier is not None and earlier.status == "failed" and self._rerun == "missing":
            pytest.skip(f"failed before: {earlier.error}; --rerun failed tries again")
        if earlier is None or earlier.status != "ok" or self._rerun == "all":
            return None
        asked = {experiment.name for experiment in case.experiments}
        if earlier.scoring != self._scoring or not asked <= set(earlier.experiments):
            return None
        if experiment in earlier.experiments:
            pytest.skip(f"measured before: {path}; --rerun all measures it again")
        return Case(path, earlier)

    def _measured(self, job: Job, case: Located, measure: Callable[[Callable[[], Row]], Row]) -> Row:
        names = names_of(job)
        earlier = self._earlier[names]
        title = title_of(names)

        def waiting(holder: str) -> None:
            self._display.announce(f"{title}: {holder} is measuring it; waiting")
            self._display.phase(f"waiting for {holder}")

        try:
            if not self._will_decode(earlier):
                return run_job(job, self.store, resources=self._resources, waiting=waiting)
            with self._display.case(title, len(case.asked.prompts), case.asked.max_new_tokens) as advance:

                def decoded(tokens: int, prompts: int) -> None:
                    self.ended.measured.add(names)
                    advance(tokens, prompts)

                def run() -> Row:
                    again = self._rerun == "all"
                    return run_job(job, self.store, decoded, self._resources, anew=again, waiting=waiting)

                with suppress(ExitBenchError):  # what is wrong with the model is the job's to tell
                    self._resources.model(job.entry, machine_of(job.capture))  # so that loading is no time of the case
                return measure(run)
        except CannotRun:
            raise
        except Exception as error:
            # Without the frames it came from; they would keep the model in memory.
            self._failures[names] = error.with_traceback(None)
            raise

    def _will_decode(self, earlier: Row | None) -> bool:
        return earlier is None or earlier.status != "ok" or self._rerun == "all"
