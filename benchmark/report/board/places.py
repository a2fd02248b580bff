"""Which ranks a line may have, as far as its interval tells."""

import bisect
from collections.abc import Sequence

from benchmark.report.board.lines import Line


def rank_ranges(lines: Sequence[Line], measure: str = "skip_ratio") -> dict[int, tuple[int, int]]:
    """Return the best and the worst rank of every ranked line, by its place among the lines.

    A line is better than another where its interval lies above that of the other; a number without an interval is an
    interval of no length. Decoders are ranked among decoders, and so on.
    """
    found = {}
    for kind in {line.kind for line in lines}:
        ends = {
            place: _ends(line, measure)
            for place, line in enumerate(lines)
            if line.kind == kind and measure in line.ranks
        }
        lows = sorted(low for low, _ in ends.values())
        highs = sorted(high for _, high in ends.values())
        for place, (low, high) in ends.items():
            above = len(ends) - bisect.bisect_right(lows, high)
            below = bisect.bisect_left(highs, low)
            found[place] = 1 + above, len(ends) - below
    return found


def _ends(line: Line, measure: str) -> tuple[float, float]:
    mean = line.means[measure]
    assert mean.value is not None  # or the line would have no rank
    return (
        mean.value if mean.low is None else mean.low,
        mean.value if mean.high is None else mean.high,
    )
