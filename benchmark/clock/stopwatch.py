"""Several ways to do the same, timed in turns, so that whatever else the machine does falls on all of them."""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import torch

from benchmark.models import hardware

T = TypeVar("T")
Way = Callable[[], float]
"""Does something; returns how long that took, in seconds."""


def in_turns(ways: Mapping[str, Way], rounds: int, warm_up: bool) -> dict[str, list[float]]:
    """Return the seconds of each way in each round.

    Each round begins with another of them.

    Args:
        ways: by name.
        rounds: how often each is timed.
        warm_up: whether each runs once before, untimed.
    """
    names = list(ways)
    for name in names if warm_up else ():
        ways[name]()
    taken: dict[str, list[float]] = {name: [] for name in names}
    with _no_collection():
        for number in range(rounds):
            start = number % len(names)
            for name in (*names[start:], *names[:start]):
                taken[name].append(ways[name]())
    return taken


def seconds(work: Callable[[], T], device: torch.device) -> tuple[float, T]:
    """Return how long some work takes, until the device has done it, and what comes of it."""
    start = hardware.now(device)
    done = work()
    return hardware.now(device) - start, done


@contextmanager
def _no_collection() -> Iterator[None]:
    """Inside the block no garbage is collected, which would fall on whoever is being timed."""
    before = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
