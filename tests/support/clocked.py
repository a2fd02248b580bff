"""Records of the clock for tests: two batches of two texts, three rounds."""

from dataclasses import replace
from typing import Any

import numpy as np

from benchmark.trace.timed import Clocked, Drafted, Late, Timed, Timing

LAYERS = 4
GENERATE = Timing("generate", (0, 1), (3, 2), ((3.0, 2.0), (3.3, 2.2), (9.0, 2.1)))
FULL = Timing("full", (0, 1), (3, 2), ((4.0, 2.0), (4.0, 2.4), (4.2, 2.2)))
REPLAY = Timing("replay", (0, 1), (3, 2), ((2.0, 1.0), (2.0, 1.2), (2.1, 1.1)))
ALONE = Timing("replay_alone", (0, 1), (3, 2), ((1.0, 0.5), (1.0, 0.6), (1.1, 0.55)))


def timed(*more: Timing, late: Late | None = None, drafted: tuple[Drafted, ...] = (), **arrays: Any) -> Timed:
    """A record of four texts of 4, 3, 3 and 2 tokens, the first of which are not timed."""
    record = Timed(
        Clocked(LAYERS, (GENERATE, FULL, REPLAY, *more), late, drafted),
        prompt=np.array([0, 0, 0, 1, 1, 2, 2, 3]),
        position=np.array([1, 2, 3, 1, 2, 1, 2, 1]),
        token=np.array([5, 6, 7, 8, 9, 5, 6, 7]),
        exit_layer=np.array([1, 4, 2, 3, 1, 2, 2, 4]),
        group=np.array([0, 0, 0, 0, 0, 1, 1, 1]),
        replayed=np.ones(8, bool),
    )
    return replace(record, **arrays)
