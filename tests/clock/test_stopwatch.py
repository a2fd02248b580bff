"""Ways are timed in turns, each as often as asked, and each first in some round."""

import gc

import pytest
import torch

from benchmark.clock.stopwatch import in_turns, seconds


def test_each_round_begins_with_another_way():
    called: list[str] = []

    def way(name):
        def run():
            called.append(name)
            assert not gc.isenabled() or len(called) <= 3
            return float(len(called))

        return run

    taken = in_turns({name: way(name) for name in "abc"}, 3, warm_up=True)
    assert "".join(called) == "abc" + "abc" + "bca" + "cab"
    assert taken == {"a": [4.0, 9.0, 11.0], "b": [5.0, 7.0, 12.0], "c": [6.0, 8.0, 10.0]}
    assert gc.isenabled()


def test_without_warming_up_every_run_counts():
    assert in_turns({"a": lambda: 1.0}, 3, warm_up=False) == {"a": [1.0, 1.0, 1.0]}


def test_garbage_is_collected_again_after_a_failure():
    def fails():
        raise ValueError("a way that fails")

    with pytest.raises(ValueError, match="a way that fails"):
        in_turns({"a": fails}, 3, warm_up=False)
    assert gc.isenabled()


def test_seconds_come_with_what_was_done():
    taken, done = seconds(lambda: 7, torch.device("cpu"))
    assert done == 7 and taken >= 0
