"""What the driver reckons; what it does is seen in tests/sessions/test_grid.py."""

import pytest

from benchmark.grid.driver import time_left


@pytest.mark.parametrize(
    ("open_cells", "running", "done", "worked", "since", "left"),
    [
        ([30.0, 50.0], 1, 0, 0, 5, 80),  # as the machines reckon
        ([30.0, 50.0], 2, 7, 700, 5, 40),  # two models at once
        ([None, 50.0], 2, 0, 0, 5, None),  # nothing to go by yet
        ([None, 50.0], 2, 4, 100, 0, 50),  # 25 seconds a cell so far
        ([None, 50.0], 2, 4, 100, 20, 30),  # of which some have passed
        ([None, 50.0], 2, 4, 100, 80, 0),  # longer than the others
        ([], 0, 4, 100, 0, 0),
    ],
)
def test_time_left(open_cells, running, done, worked, since, left):
    assert time_left(open_cells, running, done, worked, since) == left
