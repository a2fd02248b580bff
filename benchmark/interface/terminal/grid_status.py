"""How far a grid is: a line in place on a terminal, a line a cell in a log."""

import os
import shutil
import time
from collections import Counter
from typing import TextIO

from benchmark.grid.driver import Counts
from benchmark.grid.work import CellEnded, CellOutcome
from benchmark.interface.terminal.letters import Letters
from benchmark.interface.terminal.status import Status, duration

_CLEAR = "\r\x1b[K"


class GridStatus:
    """Tells what a grid does, on a terminal or in a log."""

    def __init__(self, stream: TextIO) -> None:
        """Show nothing yet."""
        self._stream = stream
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._letters = Letters(getattr(stream, "encoding", None) or "utf-8")
        self._began = time.monotonic()
        self.cannot: Counter[str] = Counter()
        """Why cells could not run where they were to, and how many."""

    def tell(self, text: str) -> None:
        """Write a whole line."""
        self._stream.write(f"{_CLEAR if self._live else ''}{self._letters.shown(text)}\n")
        self._stream.flush()

    def ended(self, where: str, title: str, ended: CellEnded, counts: Counts) -> None:
        """Tell of a cell that was measured or has failed; what it is about the others is told in the end."""
        if ended.outcome == CellOutcome.CANNOT:
            self.cannot[ended.reason] += 1
        if ended.outcome in (CellOutcome.MEASURED, CellOutcome.FAILED):
            reason = f": {ended.reason}" if ended.reason else ""
            far = "" if self._live else f" ({_far(counts)})"
            self.tell(f"{title}: {ended.outcome} on {where}{reason}{far}")

    def show(self, counts: Counts) -> None:
        """Show how far all of it is, where a line can be drawn in place."""
        if self._live:
            status = Status(
                phase=f"{counts.ended} of {counts.total} cases",
                counts=_others(counts),
                share=counts.ended / max(counts.total, 1),
                seconds=time.monotonic() - self._began,
                left=counts.left,
                letters=self._letters,
            )
            self._stream.write(f"{_CLEAR}{status.line(shutil.get_terminal_size().columns)}")
            self._stream.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._live:
            self._stream.write(_CLEAR)
            self._stream.flush()


def _far(counts: Counts) -> str:
    left = f", about {duration(counts.left)} left" if counts.left else ""
    return f"{counts.ended} of {counts.total}, {_others(counts)}{left}"


def _others(counts: Counts) -> str:
    return f"{counts.running} running, {counts.outcomes[CellOutcome.FAILED]} failed, {counts.waiting} waiting"
