"""Clocks around parts of the program, and peaks of memory."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from benchmark.cases import job
from benchmark.clock import stopwatch
from benchmark.decoding import assemble, buffer
from benchmark.decoding.engines import generate
from benchmark.models import hardware
from benchmark.readout import linear_head
from benchmark.readout import reader as reading
from benchmark.readout import screen as screening
from benchmark.trace import record as trace

# Of the parts inside a case: where each begins and ends. Inner ones are taken out of outer ones.
_PARTS: dict[str, list[tuple[Any, str]]] = {
    "capture": [(generate._Watcher, "__call__"), (generate._Watcher, "_keep"), (generate._Watcher, "_keep_midlayer")],
    "waiting": [(buffer.ReadingBuffer, "take"), (buffer.ReadingBuffer, "read")],
    "norm": [(reading.Reader, "_entered")],
    "screen": [(screening.Screen, "matches"), (screening.Screen, "argmax")],
    "sample": [(reading.Reader, "_sample")],
    "signals": [(reading, "signals_of_states"), (reading, "similarity_to_previous")],
    "similarity": [(linear_head.LinearHead, "cosines")],
    "words": [(assemble, "read_pieces")],
    "statistics": [(job, "score")],
    "writing": [(trace.Trace, "write_parquet")],
}


def seconds(run: Callable[[], object], device: torch.device) -> float:
    """Wall-clock time of a call."""
    taken, _ = stopwatch.seconds(run, device)
    return taken


def peak_bytes(run: Callable[[], object], device: torch.device) -> int:
    """Peak memory during a call."""
    hardware.reset_peak_memory(device)
    run()
    return hardware.peak_memory(device)


@contextmanager
def parts(device: torch.device) -> Iterator[dict[str, float]]:
    """Inside the block, seconds spent in each part of a case are added up; each without the parts inside it."""
    spent: dict[str, float] = defaultdict(float)
    open_parts: list[float] = []

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            start = hardware.now(device)
            open_parts.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                whole = hardware.now(device) - start
                spent[part] += whole - open_parts.pop()
                if open_parts:
                    open_parts[-1] += whole

        return wrapper

    with ExitStack() as stack:
        for part, places in _PARTS.items():
            for owner, name in places:
                original = getattr(owner, name)
                setattr(owner, name, timed(part, original))
                stack.callback(setattr, owner, name, original)
        yield spent
