"""What jobs of one process share: files that are located, prompts that are read, and the model that is loaded."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from benchmark.decoding.buffer import Phase
from benchmark.decoding.prepare import free_memory, load
from benchmark.errors import CannotRun, ExitBenchError
from benchmark.inputs.data.lm_eval_tasks import GeneratingTask, read_task
from benchmark.inputs.data.texts import TextRecord, read_texts
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.prompt import Prompt
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.models.footprint import footprint
from benchmark.models.gguf.convert import cache_folder
from benchmark.models.hub import Hub
from benchmark.models.locate import locate
from benchmark.models.source import Machine, Source
from benchmark.readout.loaded_model import LoadedModel

T = TypeVar("T")


class Resources:
    """Files, prompts and models: each is found, read or loaded when first needed, and an error is raised again.

    One model is in memory at a time: the last that was asked for.
    """

    def __init__(
        self,
        hub: Hub | None = None,
        announce: Callable[[str], None] = lambda text: None,
        phase: Phase = lambda what: None,
    ) -> None:
        """Touch nothing yet.

        Args:
            hub: where files come from; by default one that fetches nothing.
            announce: told before a step that takes long.
            phase: told what is done next.
        """
        self._hub = hub or Hub(download=False)
        self._announce = announce
        self.phase = phase
        self._values: dict[Hashable, Any] = {}
        self._errors: dict[Hashable, ExitBenchError] = {}
        self._model: tuple[Hashable, LoadedModel] | None = None
        self.load_seconds: float | None = None
        """What loading and proving the model took that is in memory; None where none is, or it was lent."""
        self._of_model: dict[Hashable, Any] = {}

    def source(self, entry: ModelEntry, machine: Machine) -> Source:
        """Return where the files of a model are.

        Raises:
            CannotRun, InputError: they are not to be had.
        """
        return self._once(("source", entry.name), lambda: locate(entry, self._hub, machine))

    def prompts(self, workload: WorkloadEntry, count: int) -> list[Prompt]:
        """Return the first `count` prompts of a workload.

        Raises:
            CannotRun, InputError: the data are not to be had.
        """
        if (task := self.task(workload, count)) is not None:
            return list(task.prompts)
        return self._once(("prompts", workload.name, count), lambda: read_prompts(workload, count, self._hub))

    def task(self, workload: WorkloadEntry, count: int) -> GeneratingTask | None:
        """Return the task of lm-eval that a workload is of, with its first `count` prompts; None if it is of none.

        Raises:
            CannotRun, InputError: it is not to be had.
        """
        if workload.source.lm_eval is None:
            return None
        download = self._hub.download
        return self._once(("prompts", workload.name, count), lambda: read_task(workload, count, download))

    def texts(self, path: Path) -> tuple[TextRecord, ...]:
        """Return the texts of another engine that are in a file.

        Raises:
            InputError: it cannot be read as such.
        """
        return self._once(("texts", str(path)), lambda: read_texts(path))

    def model(self, entry: ModelEntry, machine: Machine) -> LoadedModel:
        """Return a model, its readout proven; the one before it is freed.

        Raises:
            CannotRun, InputError, MeasurementError: it cannot be loaded or not be proven.
        """
        key = "model", entry.name
        if self._model is None or self._model[0] != key:
            source = self.source(entry, machine)
            self.release()
            try:
                with self._remembered(key):
                    _, disk = footprint(entry, machine, source)
                    self.phase("loading")
                    if disk:
                        cache = f"{disk / 1e9:.2g} GB in {cache_folder()}"
                        self._announce(f"{entry.name}: converting {source.path.name} once ({cache})")
                    self._announce(f"{entry.name}: loading from {source.label}")
                    begun = perf_counter()
                    self._model = key, load(entry, source, machine, self.phase)
                    self.load_seconds = perf_counter() - begun
            except ExitBenchError:
                free_memory()  # of a model that failed on its way
                raise
        assert self._model is not None
        return self._model[1]

    def lend(self, entry: ModelEntry, source: Source, model: LoadedModel) -> None:
        """Let jobs of an entry use a model that is loaded already."""
        self.release()
        self._values["source", entry.name] = source
        self._model = ("model", entry.name), model

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what `compute` gave when this was first asked for, of the model that is in memory."""
        if key not in self._of_model:
            self._of_model[key] = compute()
        value: T = self._of_model[key]
        return value

    def release(self) -> None:
        """Free the memory of the model."""
        self._of_model, self.load_seconds = {}, None
        if self._model is not None:
            self._model = None
            free_memory()

    def cannot_run(self) -> dict[str, CannotRun]:
        """Return why models and workloads cannot run here, by name, as far as they were asked for."""
        return {str(key[1]): error for key, error in self._errors.items() if isinstance(error, CannotRun)}  # type: ignore[index]

    def _once(self, key: Hashable, compute: Callable[[], T]) -> T:
        with self._remembered(key):
            if key not in self._values:
                self._values[key] = compute()
            value: T = self._values[key]
            return value

    @contextmanager
    def _remembered(self, key: Hashable) -> Iterator[None]:
        """Inside the block an error meant for a person is kept; when one is kept, it is raised at once."""
        if key in self._errors:
            raise self._errors[key].with_traceback(None)  # else it grows by some frames each time
        try:
            yield
        except ExitBenchError as error:
            # Without the frames it came from; they would keep a model that failed in memory.
            error.__context__ = error.__cause__ = None
            self._errors[key] = error.with_traceback(None)
            raise
