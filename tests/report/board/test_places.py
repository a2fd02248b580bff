"""Ranks as ranges, as far as intervals tell."""

from pathlib import Path

import pytest
from strategies import row_of

from benchmark.report.board.places import rank_ranges
from benchmark.report.board.ranking import arrange
from benchmark.report.board.rows import Entry

Interval = tuple[float, float | None, float | None]


def ranges(intervals: dict[str, Interval], **kinds: str) -> dict[str, tuple[int, int]]:
    rows = [
        row_of(
            model=name, architecture=kinds.get(name, "dense"), skip_ratio=middle, skip_ratio_ci_low=low,
            skip_ratio_ci_high=high,
        )
        for name, (middle, low, high) in intervals.items()
    ]  # fmt: skip
    lines = arrange([Entry(Path(row.model), row) for row in rows]).lines
    return {lines[place].label: found for place, found in rank_ranges(lines).items()}


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ({"a": (0.5, 0.4, 0.6), "b": (0.2, 0.1, 0.3)}, {"a": (1, 1), "b": (2, 2)}),
        ({"a": (0.5, 0.4, 0.6), "b": (0.45, 0.3, 0.55)}, {"a": (1, 2), "b": (1, 2)}),
        (
            {"a": (0.5, 0.45, 0.6), "b": (0.4, 0.3, 0.5), "c": (0.3, 0.2, 0.35)},
            {"a": (1, 2), "b": (1, 3), "c": (2, 3)},
        ),
        ({"a": (0.5, None, None), "b": (0.2, None, None)}, {"a": (1, 1), "b": (2, 2)}),
        ({"a": (0.5, None, None), "b": (0.5, None, None)}, {"a": (1, 2), "b": (1, 2)}),
    ],
)
def test_a_range_has_the_ranks_that_overlapping_intervals_leave(
    intervals: dict[str, Interval], expected: dict[str, tuple[int, int]]
):
    assert ranges(intervals) == expected


def test_encoders_are_ranked_among_themselves():
    both = {"a": (0.5, 0.4, 0.6), "b": (0.5, 0.4, 0.6)}
    assert ranges(both, b="encoder") == {"a": (1, 1), "b": (1, 1)}
