"""The journal of a run: what every step gave, on disk as soon as the step has ended, so that a cut loses nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmark.atomic_files import atomic_file

Figures = dict[str, Any]
"""What a step fills in: numbers, texts, and tables and lists of these."""


@dataclass
class Outcome:
    """What came of one step."""

    step: str
    status: str
    """`done`, `failed` or `not run`."""
    seconds: float = 0.0
    figures: Figures = field(default_factory=dict)
    """As far as the step came."""
    error: str = ""
    """In one line."""
    trace: list[str] = field(default_factory=list)
    """The last lines of where it was raised."""


class Journal:
    """A folder with `gpu.json` and `gpu.md`, which are written anew, whole, with every outcome."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Make the folder.

        Args:
            folder: of the two files.
            about: what the JSON file says of the run itself.
        """
        self.outcomes: list[Outcome] = []
        self._folder = folder
        self._about = dict(about)
        folder.mkdir(parents=True, exist_ok=True)

    def record(self, outcome: Outcome) -> None:
        """Add what came of a step, and write both files."""
        self.outcomes.append(outcome)
        data = {**self._about, "steps": [asdict(one) for one in self.outcomes]}
        texts = {"gpu.json": json.dumps(data, indent=1) + "\n", "gpu.md": as_markdown(self.outcomes)}
        for name, text in texts.items():
            with atomic_file(self._folder / name) as draft:
                draft.write_text(text, encoding="utf-8")


def as_markdown(outcomes: Sequence[Outcome]) -> str:
    """Return one table, a line a step."""
    lines = ["| step | outcome | seconds | what it gave |", "|---|---|---|---|"]
    for one in outcomes:
        told = "; ".join([*([one.error] if one.error else []), *(named(*item) for item in one.figures.items())])
        cell = told.replace("|", "/").replace("\n", " ")
        lines.append(f"| {one.step} | {one.status} | {one.seconds:.1f} | {cell} |")
    return "\n".join(lines) + "\n"


def named(name: str, value: Any) -> str:
    """Return a figure as text: its name, and its value; those of a table in brackets."""
    if isinstance(value, Mapping):
        return f"{name} ({', '.join(named(*item) for item in value.items())})"
    if isinstance(value, list | tuple):
        return f"{name} [{', '.join(map(plain, value))}]"
    return f"{name} {plain(value)}"


def plain(value: Any) -> str:
    """Return a number with four digits that count, and anything else as it prints."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
