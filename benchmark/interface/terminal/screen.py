"""The terminal that pytest writes to, past its capture: whole lines, and one line that is drawn in place."""

import io
import os
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TextIO

import pytest

from benchmark.interface.terminal.letters import Letters

_UP, _CLEAR = "\x1b[A", "\r\x1b[K"
_FALLBACK, _PAGE = 80, 120


class Screen:
    """Where pytest reports; nowhere in a worker process.

    A line that is drawn stands below the one that pytest is writing, and leaves no trace: pytest goes on where it was.
    """

    def __init__(self, config: pytest.Config, silent: bool = False) -> None:
        """Find the terminal of a session.

        Args:
            config: of the session.
            silent: whether nothing is to be printed, by pytest neither.
        """
        if silent:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open until the session ends
            config.get_terminal_writer()._file = nowhere
        reporter = config.pluginmanager.getplugin("terminalreporter")
        self._pytest = None if reporter is None else config.get_terminal_writer()
        self._capture = config.pluginmanager.getplugin("capturemanager")
        with self._uncaptured():
            self._stream = None if self._pytest is None else _own(getattr(self._pytest, "_file", sys.stdout))
        self.live = self._stream is not None and os.environ.get("TERM") != "dumb"
        """Whether a line can be drawn in place."""
        self.letters = Letters(getattr(self._stream, "encoding", None) or "utf-8")
        if self._stream is not None:
            config.add_cleanup(self._stream.close)
        self._drawn: str | None = None
        self._column = 0
        """Where pytest was in its line when ours was drawn below; 0 if it had not begun one."""

    @property
    def columns(self) -> int:
        """Columns that tables may take: those of the terminal, in a log as many as fit a page."""
        if self._stream is not None or "COLUMNS" in os.environ:
            return self._pytest.fullwidth if self._pytest is not None else _PAGE
        return _PAGE

    @property
    def width(self) -> int:
        """Columns of the terminal, as it is now."""
        if self._stream is not None:
            with suppress(OSError):
                return os.get_terminal_size(self._stream.fileno()).columns or _FALLBACK
        return _FALLBACK

    def draw(self, line: str) -> None:
        """Show a line in the place of the last one."""
        if line == self._drawn:
            return
        if self._drawn is None:
            written = self._pytest.width_of_current_line if self._pytest is not None else 0
            # Behind a line that is full to the edge the cursor has no column to come back to.
            self._column = written % self.width
            self._write("\n" * bool(written))
        self._drawn = line
        self._write(f"{_CLEAR}{line}")

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn is None:
            return
        self._drawn = None
        back = f"{_UP}\x1b[{self._column + 1}G" if self._column else ""
        self._write(f"{_CLEAR}{back}")

    def write(self, line: str) -> None:
        """Write a whole line, below what pytest has written."""
        if self._pytest is None:
            return
        with self._uncaptured(), suppress(OSError):
            begun = "\n" if self._pytest.width_of_current_line else ""
            self._pytest.write(f"{begun}{line}\n", flush=True)

    def _write(self, text: str) -> None:
        # A terminal that takes no more ends no case: pytest comes to it soon enough.
        with suppress(OSError, ValueError):
            assert self._stream is not None
            self._stream.write(text)
            self._stream.flush()

    def _uncaptured(self) -> AbstractContextManager[None]:
        return self._capture.global_and_fixture_disabled() if self._capture else nullcontext()


def _own(stream: TextIO) -> TextIO | None:
    """A stream of our own to the terminal behind another, which pytest's capture does not know; None if it is none."""
    try:
        if not stream.isatty():
            return None
        number = os.dup(stream.fileno())
    except (AttributeError, OSError, ValueError, io.UnsupportedOperation):
        return None
    return open(number, "w", encoding=getattr(stream, "encoding", None), errors="backslashreplace")  # noqa: PTH123 - open until the session ends
