"""Progress while cases run: a line in place on a terminal, a line a case in a log."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmark.interface.terminal.screen import Screen
from benchmark.interface.terminal.status import Status, duration

if TYPE_CHECKING:  # which would import torch
    from benchmark.decoding.buffer import Progress

_TICK = 0.25
"""Seconds between two drawings, so that a line shows that something is being done although nothing is told."""
_FEW = 0.02
"""Share of all work before which nothing is said of the time left."""


class Display:
    """Tells what a session does; says nothing where there is no terminal, as in a worker process, or with `-qq`."""

    def __init__(self, screen: Screen, quiet: bool) -> None:
        """Show nothing yet."""
        self._screen = screen
        self._quiet = quiet
        self._live = screen.live and not quiet
        self._status = Status(letters=screen.letters)
        self._lock = threading.RLock()
        self._shown = 0
        """How many blocks are open in which the line is shown."""
        self._sizes: dict[str, float] = {}
        """Of the cases that are to be measured, by title."""
        self._done = self._worked = 0.0
        """Of these sizes what was measured, and the seconds that it took."""
        self._began = time.monotonic()

    @property
    def columns(self) -> int:
        """Columns of the terminal."""
        return self._screen.columns

    def shown(self, text: str) -> str:
        """Return a text as the terminal can show it."""
        return self._screen.letters.shown(text)

    def expect(self, sizes: Mapping[str, float]) -> None:
        """Take note of the cases that are to be measured: how large each is, in any unit, by its title."""
        self._sizes = dict(sizes)
        self._status.cases = len(sizes)

    def announce(self, text: str) -> None:
        """Say in a log that a step begins which takes long; on a terminal the line in place does."""
        if not self._quiet and not self._live:
            self._screen.write(self.shown(text))

    def phase(self, what: str) -> None:
        """Say what is done next."""
        with self._lock:
            if what != self._status.phase:
                self._status.phase, self._status.share, self._began = what, None, time.monotonic()

    @contextmanager
    def working(self, what: str, at_once: bool = False) -> Iterator[None]:
        """Show, inside the block, what is being done and for how long; say nothing in a log.

        Unless it is to be seen at once, what takes no time is not shown.
        """
        with self._line():
            self.phase(what)
            if at_once:
                self._draw()
            yield

    @contextmanager
    def case(self, title: str, prompts: int, max_new_tokens: int) -> Iterator["Progress"]:
        """Show, inside the block, how far a case of so many prompts is; in a log, say at its end what it was."""
        status, begun = self._status, time.monotonic()
        status.title, status.number, status.share, status.counts = title, status.number + 1, None, ""
        size, done_before = self._sizes.get(title, 0.0), self._done
        tokens = finished = 0
        decoding: float | None = None
        last = begun

        def advance(new_tokens: int, finished_prompts: int) -> None:
            nonlocal tokens, finished, decoding, last
            if not new_tokens and not finished_prompts:
                return
            with self._lock:
                last = time.monotonic()
                decoding = decoding or begun
                tokens, finished = tokens + new_tokens, finished + finished_prompts
                # Prompts of one batch end together, so the bar moves with the tokens.
                share = max(finished, min(tokens / max_new_tokens, prompts)) / max(prompts, 1)
                status.share, status.counts = share, f"{finished}/{prompts} prompts"
                status.left = self._left(done_before + share * size, self._worked + last - begun)

        try:
            with self._line():
                yield advance
        finally:
            seconds = time.monotonic() - begun
            self._done, self._worked = done_before + size, self._worked + seconds
            status.title, status.share, status.counts = "", None, ""
            status.left = self._left(self._done, self._worked)
            if not self._quiet and not self._live and decoding:
                told = f"{title}: {finished}/{prompts} prompts, {tokens} tokens in {duration(seconds)}, "
                left = f", about {duration(status.left)} left" if status.left else ""
                self._screen.write(self.shown(f"{told}{tokens / max(seconds, 1e-9):.1f} tokens/s{left}"))

    def _left(self, done: float, worked: float) -> float | None:
        """About how long all that is left takes, if it goes on as it went."""
        total = sum(self._sizes.values())
        if total <= 0 or done < _FEW * total:
            return None
        return worked * max(total - done, 0) / done

    def _draw(self) -> None:
        if self._live and self._shown:
            self._status.seconds = time.monotonic() - self._began
            self._screen.draw(self._status.line(self._screen.width))

    @contextmanager
    def _line(self) -> Iterator[None]:
        """Show the line inside the block, drawn again and again."""
        if not self._live or self._shown:
            yield
            return
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(_TICK):
                with self._lock:
                    if not ended.is_set():
                        self._draw()

        drawing = threading.Thread(target=tick, name="exitbench-line", daemon=True)
        self._shown += 1
        drawing.start()
        try:
            yield
        finally:
            ended.set()
            with self._lock:
                self._shown -= 1
                self._screen.clear()
            drawing.join()
