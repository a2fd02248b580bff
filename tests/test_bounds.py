"""Upper bounds of the speedup."""

import numpy as np
import pytest
from hypothesis import given
from strategies import traces

from benchmark.bounds import speedup_bound_layers
from benchmark.oracle import first_match, settled, skip_ratio
from benchmark.trace import Trace


def test_exiting_at_layer_two_and_four_of_six_is_twice_as_fast_at_best():
    assert speedup_bound_layers(np.array([2, 4, 3, 3]), 6) == pytest.approx(2)


def test_never_exiting_early_gains_nothing():
    assert speedup_bound_layers(np.array([6, 6, 6]), 6) == 1


def test_always_exiting_at_the_first_layer_gains_the_number_of_layers():
    assert speedup_bound_layers(np.array([1, 1]), 6) == 6


@given(traces())
def test_the_bound_says_the_same_as_the_skip_ratio(trace: Trace):
    # L / mean(ℓ) = 1 / (1 − mean((L − ℓ)/L))
    exits, layers = first_match(trace.matches), trace.num_layers
    assert speedup_bound_layers(exits, layers) == pytest.approx(1 / (1 - skip_ratio(exits, layers).mean()))


@given(traces())
def test_settled_exits_cannot_be_faster_than_first_matches(trace: Trace):
    first, last = first_match(trace.matches), settled(trace.matches)
    assert 1 <= speedup_bound_layers(last, trace.num_layers) <= speedup_bound_layers(first, trace.num_layers)
