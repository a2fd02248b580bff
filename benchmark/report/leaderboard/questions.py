"""The prompts of workloads whose data ship with ExitBench, for people to read, where a row has seen these very ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import CannotRun, ExitBenchError
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.prompt import Prompt, prompts_sha256
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.results.row import Row

NOT_SHIPPED = "The prompt is not shown: the data of this workload do not ship with ExitBench."
OTHER_PROMPTS = "The prompt is not shown: this row has seen other prompts than the workload has now."
_LONGEST = 2000  # characters


@dataclass(frozen=True)
class Question:
    """A prompt, or why it is not there."""

    text: str | None = None
    missing: str | None = None


class Questions:
    """Prompts by row, each workload read once."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._entries: Mapping[str, WorkloadEntry] = {entry.name: entry for entry in load_workloads()}
        self._read: dict[str, list[Prompt] | None] = {}

    def of(self, row: Row, prompt: int) -> Question:
        """Return the prompt of a row at a place of its workload, counted from 0."""
        if row.workload not in self._read:
            self._read[row.workload] = self._prompts(row.workload)
        prompts = self._read[row.workload]
        if prompts is None:
            return Question(missing=NOT_SHIPPED)
        if prompt >= len(prompts) or not _same(row, prompts):
            return Question(missing=OTHER_PROMPTS)
        text = prompts[prompt].text
        return Question(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …")

    def _prompts(self, workload: str) -> list[Prompt] | None:
        entry = self._entries.get(workload)
        if entry is None or entry.source.file is None or entry.source.id is not None:
            return None
        try:
            return read_prompts(entry, entry.prompts, _NothingFetched())
        except ExitBenchError:
            return None


class _NothingFetched:
    """Data files of a machine that may not fetch any."""

    download = False

    def dataset_file(self, entry: WorkloadEntry) -> Path:
        raise CannotRun("the data are not on this machine", "measure again", entry.name)


def _same(row: Row, prompts: list[Prompt]) -> bool:
    """Return whether a row has seen these prompts, or the first of them."""
    asked = (row.prompts or 0) + (row.prompts_left_out or 0)
    return prompts_sha256(prompts[:asked]) == row.prompts_sha256
