"""Upper bounds of the speedup."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import traces

from benchmark.metrics.exits import first_match, settled, skip_ratio
from benchmark.metrics.speedup_bounds import speedup_bound_head, speedup_bound_kv, speedup_bound_layers
from benchmark.trace.record import Trace


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


def test_head_and_cache_by_hand():
    # Three layers of 10, 4 of each owed to the cache, head and embedding 6: full decoding costs 36.
    exits = np.array([1, 2, 3])
    assert speedup_bound_head(exits, [10, 10, 10], 6) == pytest.approx(36 / ((16 + 26 + 36) / 3))
    assert speedup_bound_kv(exits, [10, 10, 10], [4, 4, 4], 6) == pytest.approx(36 / ((24 + 30 + 36) / 3))


def test_unequal_layers_weigh_what_they_weigh():
    assert speedup_bound_head(np.array([1]), [1, 9], 0) == 10.0
    assert speedup_bound_head(np.array([1]), [9, 1], 0) == pytest.approx(10 / 9)


exit_layers = st.lists(st.integers(1, 6), min_size=1, max_size=20).map(np.array)
cost = st.integers(0, 2**40)
"""Of a part of the model, in bytes."""


@given(exit_layers, st.lists(st.tuples(cost, cost), min_size=6, max_size=6), st.integers(1, 2**40))
def test_charging_the_cache_lowers_the_bound_and_none_is_below_one(
    exits: np.ndarray, layers: list[tuple[int, int]], other: int
):
    owed = [of_cache for of_cache, _ in layers]
    costs = [of_cache + of_rest for of_cache, of_rest in layers]
    assert 1 <= speedup_bound_kv(exits, costs, owed, other) <= speedup_bound_head(exits, costs, other)


@given(exit_layers, st.integers(1, 2**40), cost)
def test_charging_the_head_lowers_the_bound_where_layers_cost_the_same(exits: np.ndarray, layer: int, other: int):
    assert speedup_bound_head(exits, [layer] * 6, other) <= speedup_bound_layers(exits, 6) * (1 + 1e-12)


@given(exit_layers, st.lists(st.integers(1, 2**40), min_size=6, max_size=6), cost)
def test_a_cache_that_owes_every_layer_leaves_nothing_to_gain(exits: np.ndarray, layers: list[int], other: int):
    assert speedup_bound_kv(exits, layers, layers, other) == pytest.approx(1)


@given(exit_layers, st.lists(st.integers(1, 2**40), min_size=6, max_size=6), cost)
def test_a_cache_that_owes_nothing_changes_nothing(exits: np.ndarray, layers: list[int], other: int):
    assert speedup_bound_kv(exits, layers, [0] * 6, other) == speedup_bound_head(exits, layers, other)
