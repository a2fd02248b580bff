"""What driver and nodes tell each other: plain data that pickles, and needs no torch."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.settings import CaptureSettings
from benchmark.inputs.workload_entry import Cell

Place = tuple[str, str, str, str]
"""Names of model, workload, study and configuration, which `Store.path` files a row under."""


@dataclass(frozen=True)
class GridSettings:
    """What is asked of every cell alike."""

    capture: CaptureSettings
    """Its device is chosen on the node."""
    device: str
    """As a person names it: `auto`, or one by name."""
    download: bool
    results: Path
    """Folder of the rows, with its whole path on the driver's machine."""


@dataclass(frozen=True)
class Outlook:
    """What a machine says of a model that it might run."""

    memory: float | None
    """Bytes that the model takes; None if its size is not known."""
    missing: str = ""
    """Why it cannot run there, with the remedy; empty if it can."""
    spreads: bool = False
    """Whether it may be spread over several GPUs."""
    seconds: float | None = None
    """About how long a cell of it takes there; None where nothing like it was measured."""


@dataclass(frozen=True)
class Host:
    """What a machine says of itself."""

    device: str
    """That models would run on, as torch names it."""
    gpu_memory: float | None
    """Bytes of the smallest GPU; None on a machine without."""
    outlooks: dict[str, Outlook]
    """By the name of the model."""


@dataclass(frozen=True)
class ModelWork:
    """One model with what is left to do of it; goes to one process of a node."""

    entry: ModelEntry
    cells: dict[int, Cell]
    """By their number among all cells of the grid."""


class CellOutcome(StrEnum):
    """What became of a cell."""

    MEASURED = "measured"
    BEFORE = "measured before"
    FAILED = "failed"
    CANNOT = "cannot run there"


@dataclass(frozen=True)
class SentRow:
    """A row with its tokens, on the way to a folder that the node does not see."""

    place: Place
    row: bytes
    tokens: bytes | None
    """None of a case that failed."""


@dataclass(frozen=True)
class CellStarted:
    """A cell has begun."""

    number: int


@dataclass(frozen=True)
class CellEnded:
    """A cell has ended."""

    number: int
    outcome: CellOutcome
    reason: str = ""
    sent: SentRow | None = None
