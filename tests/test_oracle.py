"""Exits and skip ratios, on a text of five tokens and three layers that can be followed by hand."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from strategies import trace_of, traces

from benchmark.oracle import agreement, chance_skip_ratio, exit_share, first_match, settled, skip_ratio, tie_rate
from benchmark.trace import Trace

# Layer 3 is the last one, so the text is 7 7 8 7 9. The third token is there at layer 1, lost at 2 and back at 3.
TEXT = trace_of(
    [
        [7, 7, 7],
        [1, 7, 7],
        [8, 2, 8],
        [3, 4, 7],
        [5, 9, 9],
    ]
)


def test_first_match_is_the_shallowest_layer_with_the_full_models_token():
    assert first_match(TEXT.matches).tolist() == [1, 2, 1, 3, 2]


def test_settled_is_the_layer_after_the_last_contradiction():
    assert settled(TEXT.matches).tolist() == [1, 2, 3, 3, 2]


def test_settled_looks_past_several_changes_of_mind():
    matches = np.array([[True, False, True, False, False, True, True]])
    assert settled(matches).tolist() == [6]


def test_a_model_of_one_layer_exits_there():
    matches = np.array([[True], [True]])
    assert first_match(matches).tolist() == settled(matches).tolist() == [1, 1]


def test_skip_ratio_is_the_share_of_layers_left_out():
    assert skip_ratio(np.array([1, 2, 1, 3, 2]), 3) == pytest.approx([2 / 3, 1 / 3, 2 / 3, 0, 1 / 3])


def test_agreement_is_the_share_of_tokens_a_layer_gets_right():
    assert agreement(TEXT.matches) == pytest.approx([2 / 5, 3 / 5, 1])


def test_exit_share_is_the_share_of_tokens_that_exit_at_a_layer():
    assert exit_share(np.array([1, 2, 1, 3, 2]), 3) == pytest.approx([2 / 5, 2 / 5, 1 / 5])


def test_exit_share_has_a_place_for_layers_nobody_exits_at():
    assert exit_share(np.array([1, 1]), 4) == pytest.approx([1, 0, 0, 0])


def test_chance_skip_ratio_by_hand():
    # The text 7 8 is shuffled: half the time each position keeps its token, half the time it has the other one.
    # Position 1 says 8 at layer 1 and 7 at layer 2: 7 skips nothing, 8 skips 1/2. Position 2 says 8 at both: 8 skips
    # 1/2, 7 is nowhere and exits at the last layer.
    trace = trace_of([[8, 7], [8, 8]])
    assert chance_skip_ratio(trace) == pytest.approx((0 + 1 / 2 + 1 / 2 + 0) / 4)


def test_a_text_of_one_word_is_as_easy_by_chance_as_it_is():
    trace = trace_of([[7, 7, 7], [1, 7, 7], [1, 2, 7]])
    assert chance_skip_ratio(trace) == pytest.approx(skip_ratio(first_match(trace.matches), 3).mean())


def test_tie_rate_counts_tokens_whose_two_best_logits_are_equal():
    assert tie_rate(trace_of([[1], [2], [3], [4]], margin=[0.0, 0.5, 0.0, 1e-30])) == 0.5


@given(traces())
def test_every_token_exits_no_later_than_it_settles_and_settles_at_the_last_layer_at_the_latest(trace: Trace):
    first, last = first_match(trace.matches), settled(trace.matches)
    assert ((first >= 1) & (first <= last) & (last <= trace.num_layers)).all()


@given(traces())
def test_exits_are_what_their_definitions_say(trace: Trace):
    for row, first, last in zip(trace.matches, first_match(trace.matches), settled(trace.matches), strict=True):
        layers = range(1, trace.num_layers + 1)
        assert first == min(layer for layer in layers if row[layer - 1])
        assert last == min(layer for layer in layers if row[layer - 1 :].all())


@given(traces())
def test_exit_share_sums_to_one(trace: Trace):
    assert exit_share(first_match(trace.matches), trace.num_layers).sum() == pytest.approx(1)


@given(traces())
def test_layers_at_the_end_that_change_nothing_add_to_what_is_skipped(trace: Trace):
    layers, first, last = trace.num_layers, first_match(trace.matches), settled(trace.matches)
    longer = trace_of(np.hstack([trace.predictions, np.repeat(trace.predictions[:, -1:], 3, axis=1)]))
    assert (first_match(longer.matches) == first).all()
    assert (settled(longer.matches) == last).all()
    assert skip_ratio(first, layers + 3) * (layers + 3) == pytest.approx(skip_ratio(first, layers) * layers + 3)


@given(traces())
def test_doubling_every_layer_exits_at_the_first_of_each_pair(trace: Trace):
    doubled = trace_of(np.repeat(trace.predictions, 2, axis=1))
    assert (first_match(doubled.matches) == 2 * first_match(trace.matches) - 1).all()
    assert (settled(doubled.matches) == 2 * settled(trace.matches) - 1).all()


@given(traces(max_tokens=5))
def test_chance_skip_ratio_is_the_mean_over_all_shuffles(trace: Trace):
    assert chance_skip_ratio(trace) == pytest.approx(float(_mean_over_shuffles(trace)), rel=1e-12, abs=1e-15)


def _mean_over_shuffles(trace: Trace) -> Fraction:
    """The definition, word for word and without rounding: shuffle the text, look where each token would exit."""
    layers = trace.num_layers
    total, count = Fraction(0), 0
    for shuffled in itertools.permutations(trace.targets.tolist()):
        for said, token in zip(trace.predictions.tolist(), shuffled, strict=True):
            exit_layer = said.index(token) + 1 if token in said else layers
            total += Fraction(layers - exit_layer, layers)
            count += 1
    return total / count
