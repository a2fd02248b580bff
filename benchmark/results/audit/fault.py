"""What a check says of a file: nothing, or what is wrong with it, column by column."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.messages import cut, printable


@dataclass(frozen=True)
class Fault:
    """Something about a row that cannot be, or is not what its tokens give."""

    column: str
    """Column of the row, or array of its tokens; empty for the file as a whole."""
    problem: str


@dataclass(frozen=True)
class Verdict:
    """Of one file of a results folder."""

    path: Path
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def lines(self) -> list[str]:
        """One line a fault: file, column, problem."""
        return [
            printable(f"{self.path}: {f'{fault.column}: ' if fault.column else ''}{fault.problem}")
            for fault in self.faults
        ]

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        faults = [{"column": fault.column or None, "problem": fault.problem} for fault in self.faults]
        return {"path": str(self.path), "ok": self.ok, "faults": faults}


def told(value: Any) -> str:
    """A value as a fault names it: numbers to six digits, texts quoted and cut."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6g}"
    return "null" if value is None else cut(value)
