"""A few texts with the exit of every token, for people to see where a model is sure early."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from benchmark.errors import InputError
from benchmark.metrics.exits import first_match, settled
from benchmark.report.board.lines import Line
from benchmark.report.board.rows import Entry
from benchmark.results.store import read_trace

TEXTS = 24
"""Texts at most, so that the page stays small however many rows there are."""
TOKENS = 160
"""Tokens of a text at most."""


@dataclass(frozen=True)
class Sample:
    """The first text of a row."""

    entry: Entry
    num_layers: int
    tokens: list[tuple[str, int, int]]
    """What each token adds to the text, its first-match and its settled exit."""
    shortened: bool
    """Whether the text goes on."""


def samples(folder: Path, lines: Sequence[Line]) -> tuple[list[Sample], int]:
    """Texts of `TEXTS` rows: of every line one workload, in turn, then of every line its next one, and so on.

    Args:
        folder: of results.
        lines: in the order in which they are preferred.

    Returns:
        The texts, and the number of rows that were chosen but whose tokens cannot be read.
    """
    chosen = list(islice(_in_turn(lines), TEXTS))
    texts = [sample for entry in chosen if (sample := _sample(folder, entry)) is not None]
    return texts, len(chosen) - len(texts)


def _in_turn(lines: Sequence[Line]) -> Iterator[Entry]:
    for turn in range(max((len(line.counted) for line in lines), default=0)):
        for place, line in enumerate(lines):
            entries = list(line.counted.values())
            if turn < len(entries):
                yield entries[(place + turn) % len(entries)]


def _sample(folder: Path, entry: Entry) -> Sample | None:
    try:
        trace = read_trace(folder / entry.file, entry.row)
    except InputError:
        return None
    first = np.flatnonzero(trace.prompt == trace.prompt[:1])
    shown = first[:TOKENS]
    exits = zip(
        trace.text[shown].tolist(),
        first_match(trace.matches[shown]).tolist(),
        settled(trace.matches[shown]).tolist(),
        strict=True,
    )
    return Sample(entry, trace.num_layers, list(exits), len(shown) < len(first))
