"""A recorded terminal: a command in a pseudo-terminal of some size, and what an emulator shows of it."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path

import pyte

ROOT = Path(__file__).parents[2]
_DRAWN = re.compile(r"\r\x1b\[K([^\r\n\x1b]*)")


class _Screen(pyte.HistoryScreen):
    """A terminal that counts the lines that were too long for it."""

    wraps = 0

    def draw(self, data: str) -> None:
        for letter in data:
            self.wraps += self.cursor.x == self.columns
            super().draw(letter)


@dataclass(frozen=True)
class Recording:
    """What a command has written, and when."""

    code: int
    chunks: list[tuple[float, bytes]]
    """Seconds since the start, and bytes."""
    columns: int

    @property
    def text(self) -> str:
        """All of it, with what moves the cursor."""
        return b"".join(chunk for _, chunk in self.chunks).decode()

    @property
    def drawn(self) -> list[str]:
        """The lines that were drawn in place, one after the other."""
        return [line for line in _DRAWN.findall(self.text) if line]

    def shown(self, rows: int = 500) -> "Shown":
        """Return what a terminal of so many rows shows at the end."""
        screen = _Screen(self.columns, rows, history=10_000)
        stream = pyte.ByteStream(screen)
        for _, chunk in self.chunks:
            stream.feed(chunk)
        gone = ["".join(line[column].data for column in range(self.columns)).rstrip() for line in screen.history.top]
        lines = [line.rstrip() for line in screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return Shown(gone, lines, screen.wraps)


@dataclass(frozen=True)
class Shown:
    """The screen of a terminal."""

    gone: list[str]
    """Lines that have scrolled out at the top."""
    lines: list[str]
    """Lines that are on it, without empty ones at the end."""
    wraps: int
    """How often a line was broken at the edge."""


def record(*arguments: str | Path, columns: int, rows: int = 50, **environment: str) -> Recording:
    """Run Python in a pseudo-terminal, in the root of the checkout."""
    unwanted = ("PYTEST_", "HF_", "EXITBENCH_", "COLUMNS", "LINES", "NO_COLOR", "CI", "PY_COLORS", "FORCE_COLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    begun = {**kept, "TERM": "xterm-256color", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environment}
    start = time.monotonic()
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.chdir(ROOT)
        os.execve(sys.executable, [sys.executable, *map(str, arguments)], begun)
    chunks = []
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the command has ended
            break
        if not chunk:
            break
        chunks.append((time.monotonic() - start, chunk))
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    return Recording(os.waitstatus_to_exitcode(status), chunks, columns)
