"""The clock: what are layers worth in seconds, and how much of the bound arrives?"""

from benchmark.cases.case import Case
from benchmark.inputs.settings import ClockSettings
from benchmark.metrics.experiments.clock import CLOCK


def test_clock(case: Case, clock: ClockSettings) -> None:
    """A replay in float32 gives the text's tokens; seconds are counted, and nothing is claimed about them."""
    columns, timed = case.columns(CLOCK), case.timed
    assert case.row.dtype != "float32" or timed.replayed.all()
    assert all(len(timing.seconds) == clock.rounds for timing in timed.clocked.timings)
    assert columns.replay_bound is None or columns.replay_bound >= 1
