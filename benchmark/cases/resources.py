"""Models and workloads in a session: found, loaded and read when first needed, at most once."""

from collections.abc import Callable
from typing import Generic, TypeVar

from benchmark.errors import CannotRun, ExitBenchError
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.models.hub import Hub
from benchmark.models.locate import Machine, Source, locate
from benchmark.models.weights import free_memory, load
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.costs import Task

T = TypeVar("T")


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
            raise outcome.with_traceback(None)  # else it grows by some frames each time
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

    def __init__(self, spec: ModelEntry, hub: Hub, machine: Machine, announce: Callable[[str], None]) -> None:
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

    def __init__(self, spec: WorkloadEntry, hub: Hub, limit: int | None) -> None:
        """Touch nothing yet; `limit` is `--limit`."""
        self.spec = spec
        self.limited = limit is not None and limit != spec.prompts
        self.prompts: Once[list[str]] = Once(lambda: read_prompts(spec, limit or spec.prompts, hub))


def refuse_misfit(model: str, task: Task, workload: WorkloadEntry) -> None:
    """Let encoders have masked texts only, and models that write have prompts only.

    Raises:
        CannotRun: the workload is of the other kind.
    """
    if (task == "masked") != (workload.kind == "masked"):
        raise CannotRun(
            "masked tokens are for encoder models, prompts for models that write",
            "choose another workload",
            f"{model} on {workload.name}",
        )
