"""The loop of the driver: models go to nodes, cells come back, what is lost goes out again."""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from benchmark.errors import InputError, told
from benchmark.grid.nodes import alive, on
from benchmark.grid.placement import Node, Placed, order, place, refusal
from benchmark.grid.work import CellEnded, CellOutcome, CellStarted, GridSettings, ModelWork, Place
from benchmark.grid.worker import measure
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.workload_entry import Cell
from benchmark.results.row import Row
from benchmark.results.store import Store, intact_tokens

_TICK = 1.0
"""Seconds between two looks at what has come."""
_MOST_LOSSES = 3
"""Processes that may be lost at one cell before it is given up."""
_HOLD = 5.0
"""Seconds in which a node that lost a process gets none: Ray needs a moment to learn that a node is dead."""
_UNREAD = 4
"""Messages of a node that wait for the driver at most; then the node waits."""
_FAREWELL = 15.0
"""Seconds in which the nodes may end in good order after Ctrl-C."""


@dataclass(frozen=True)
class Counts:
    """How far a grid is, in cells."""

    total: int
    outcomes: Counter[CellOutcome]
    running: int
    """One of each model that is on a node; it may still be loading."""
    left: float | None
    """Seconds that the rest will take, about; None if that cannot be known yet."""

    @property
    def ended(self) -> int:
        """Cells that nothing is left to do of."""
        return self.outcomes.total()

    @property
    def waiting(self) -> int:
        """Cells that have not begun."""
        return self.total - self.ended - self.running


class Report(Protocol):
    """Who tells a person."""

    def ended(self, where: str, title: str, ended: CellEnded, counts: Counts) -> None:
        """Tell what became of a cell."""

    def tell(self, text: str) -> None:
        """Tell something else that has happened."""

    def show(self, counts: Counts) -> None:
        """Show how far all of it is."""


@dataclass
class _Running:
    placed: Placed
    cell: int | None = None
    """The one that is being measured; None before the first has begun."""


class Driver:
    """The cells of a grid, where each is, and what has come of it."""

    def __init__(
        self,
        entries: Sequence[ModelEntry],
        cells: Sequence[Cell],
        nodes: Sequence[Node],
        asked: GridSettings,
        report: Report,
        cpus: int | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            entries: of models that some node can hold.
            cells: of each model.
            nodes: to run them on.
            asked: what is asked of all.
            report: who tells a person.
            cpus: that a model gets; None for its part of a node's.
        """
        self._entries = {entry.name: entry for entry in entries}
        names = order(list(self._entries), nodes)
        numbers = iter(range(len(entries) * len(cells)))
        self._open: dict[str, dict[int, Cell]] = {name: {next(numbers): cell for cell in cells} for name in names}
        """Cells that have not ended, by model."""
        self._waiting = names
        self._running: dict[Any, _Running] = {}
        """By what Ray hands their messages out of."""
        self._nodes, self._asked, self._report, self._cpus = list(nodes), asked, report, cpus
        self._store = Store(asked.results)
        self._losses: Counter[tuple[str, int | None]] = Counter()
        self._held: dict[str, float] = {}
        self._outcomes: Counter[CellOutcome] = Counter()
        self._total = len(entries) * len(cells)
        self._began = self._last = time.monotonic()
        """When this began, and when a cell was measured last."""

    def run(self) -> Counts:
        """Return what came of all cells; where this ends early, no process of it lives on.

        Raises:
            InputError: no node is left.
        """
        try:
            while self._waiting or self._running:
                self._start()
                self._hear()
                self._report.show(self.counts())
        finally:
            self._stop()
        return self.counts()

    def counts(self) -> Counts:
        """Return how far it is now."""
        running = sum(bool(self._open[one.placed.model]) for one in self._running.values())
        return Counts(self._total, self._outcomes.copy(), running, self._left())

    def _start(self) -> None:
        """Send out what finds room."""
        import ray

        nodes = self._usable() if self._waiting else []
        for model in list(self._waiting):
            if (reason := refusal(model, self._nodes, self._cpus)) is not None:  # by those that are left
                self._waiting.remove(model)
                self._give_up(model, "no node", reason)
        free = {node.id: node.whole for node in nodes}
        for running in self._running.values():
            if running.placed.node.id in free:
                free[running.placed.node.id] = free[running.placed.node.id].without(running.placed.share)
        for placed in place(self._waiting, nodes, free, self._cpus):
            self._waiting.remove(placed.model)
            share, node = placed.share, placed.node
            finished = frozenset[Place]() if node.sees_results else _finished(self._store, placed.model)
            task = ray.remote(measure).options(
                name=f"exitbench {placed.model}",
                num_returns="streaming",
                num_cpus=share.cpus,
                num_gpus=share.gpus,
                memory=int(share.memory),
                max_retries=0,  # what is to be done again is known here
                scheduling_strategy=on(node.id),
                _generator_backpressure_num_objects=_UNREAD,
            )
            work = ModelWork(self._entries[placed.model], dict(self._open[placed.model]))
            messages = task.remote(work, self._asked, int(share.cpus), node.sees_results, finished)
            self._running[messages] = _Running(placed)

    def _usable(self) -> list[Node]:
        """The nodes that are alive, and have not just lost a process."""
        there = {node["NodeID"] for node in alive()}
        for node in [node for node in self._nodes if node.id not in there]:
            self._nodes.remove(node)
            self._report.tell(f"node {node.name} is gone; what ran there runs elsewhere")
        if not self._nodes:
            raise InputError("no node is left; start some, and run the same command to go on")
        now = time.monotonic()
        return [node for node in self._nodes if self._held.get(node.id, 0.0) <= now]

    def _hear(self) -> None:
        """Take the next that a node has told, if one does soon."""
        import ray

        if not self._running:
            time.sleep(_TICK)
            return
        ready, _ = ray.wait(list(self._running), timeout=_TICK)
        for messages in ready:
            running = self._running[messages]
            try:
                message = ray.get(next(messages))
            except StopIteration:
                del self._running[messages]
                if self._open[running.placed.model]:
                    self._lost(running, "it ended early")
            except ray.exceptions.RayTaskError as error:
                del self._running[messages]
                self._give_up(
                    running.placed.model, running.placed.node.name, f"{type(error.cause).__name__}: {error.cause}"
                )
            except ray.exceptions.RayError as error:
                del self._running[messages]
                self._lost(running, type(error).__name__)
            else:
                self._take(running, message)

    def _take(self, running: _Running, message: CellStarted | CellEnded) -> None:
        if isinstance(message, CellStarted):
            running.cell = message.number
            return
        running.cell = None
        if message.sent is not None:
            try:
                sent, path = message.sent, self._store.path(*message.sent.place)
                self._store.take(path, Row.model_validate_json(sent.row), sent.tokens)
            except InputError as error:
                message = CellEnded(message.number, CellOutcome.FAILED, told(error))
            except ValidationError:
                reason = "the row that was sent of it cannot be read; report this"
                message = CellEnded(message.number, CellOutcome.FAILED, reason)
        self._end(running.placed.model, running.placed.node.name, message)

    def _end(self, model: str, where: str, ended: CellEnded) -> None:
        cell = self._open[model].pop(ended.number)
        self._outcomes[ended.outcome] += 1
        if ended.outcome == CellOutcome.MEASURED:
            self._last = time.monotonic()
        self._report.ended(where, f"{model} × {cell.title}", ended, self.counts())

    def _lost(self, running: _Running, how: str) -> None:
        """Send out again what was lost with a process, but for a cell that processes are lost at each time."""
        placed, at = running.placed, (running.placed.model, running.cell)
        self._held[placed.node.id] = time.monotonic() + _HOLD
        self._losses[at] += 1
        if self._losses[at] < _MOST_LOSSES:
            self._report.tell(f"{placed.model}: its process on {placed.node.name} was lost ({how}); it runs again")
        else:
            reason = f"its process was lost {_MOST_LOSSES} times ({how}), so it may need more memory than there is"
            if running.cell is None:
                self._give_up(placed.model, placed.node.name, reason)
                return
            self._end(placed.model, placed.node.name, CellEnded(running.cell, CellOutcome.FAILED, reason))
        if self._open[placed.model]:
            self._waiting.insert(0, placed.model)

    def _give_up(self, model: str, where: str, reason: str) -> None:
        for number in list(self._open[model]):
            self._end(model, where, CellEnded(number, CellOutcome.FAILED, " ".join(reason.split())[:300]))

    def _stop(self) -> None:
        """Let the nodes end what they do: each leaves its case, and so frees it, before its process ends."""
        import ray

        for messages in self._running:
            with suppress(Exception):
                ray.cancel(messages)
        until = time.monotonic() + _FAREWELL
        while self._running and time.monotonic() < until:
            ready, _ = ray.wait(list(self._running), timeout=_TICK)
            for messages in ready:
                try:
                    ray.get(next(messages))
                except (StopIteration, ray.exceptions.RayError):
                    del self._running[messages]

    def _left(self) -> float | None:
        open_cells = [self._seconds(model) for model, cells in self._open.items() for _ in cells]
        done, began, now = self._outcomes[CellOutcome.MEASURED], self._began, time.monotonic()
        return time_left(open_cells, len(self._running), done, self._last - began, now - self._last)

    def _seconds(self, model: str) -> float | None:
        outlooks = [node.host.outlooks[model] for node in self._nodes]
        return next((outlook.seconds for outlook in outlooks if outlook.seconds is not None), None)


def time_left(open_cells: Sequence[float | None], running: int, done: int, worked: float, since: float) -> float | None:
    """Return about how many seconds the rest takes; None if that cannot be known yet.

    Args:
        open_cells: seconds that a machine reckons for each cell that has not ended; None where it cannot.
        running: models that run at once.
        done: cells that were measured.
        worked: seconds in which they were.
        since: seconds since then.
    """
    known = [seconds for seconds in open_cells if seconds is not None]
    if len(known) == len(open_cells):
        return sum(known) / max(running, 1)
    # By what ended cells have taken, with the models that ran beside each other.
    return max(worked / done * len(open_cells) - since, 0.0) if done else None


def _finished(store: Store, model: str) -> frozenset[Place]:
    """The cases of a model that have a whole row in a folder."""
    found = set()
    for path in (store.folder / model).glob("*/*.json"):
        row = store.read(path)
        if row is not None and row.status == "ok":
            with suppress(InputError):
                intact_tokens(path, row.token_records_sha256)
                found.add((row.model, row.workload, row.suite, row.configuration))
    return frozenset(found)
