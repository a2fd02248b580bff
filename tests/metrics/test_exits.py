"""Exits and skip ratios, on a text of five tokens and three layers that can be followed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import trace_of, traces

from benchmark.metrics.exits import (
    agreement,
    agreement_at,
    exit_share,
    first_match,
    settled,
    similar_enough,
    skip_ratio,
    tie_rate,
    with_halves,
)
from benchmark.trace.record import Trace

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


def test_tie_rate_counts_tokens_whose_two_best_logits_are_equal():
    assert tie_rate(np.array([0.0, 0.5, 0.0, 1e-30])) == 0.5


def test_the_tau_oracle_exits_at_the_first_layer_that_is_similar_enough():
    similarity = np.array([[0.9, 0.2, 1.0], [0.2, 0.8, 1.0], [0.1, 0.2, 1.0]])
    assert similar_enough(similarity, tau=0.8).tolist() == [1, 2, 3]


def test_the_last_layer_is_similar_enough_even_if_rounding_says_otherwise():
    similarity = np.array([[0.5, 0.99999994]], np.float32)
    assert similar_enough(similarity, tau=1).tolist() == [2]


@pytest.mark.parametrize("tau", [0.1, 0.3, 0.6, 0.7, 0.9])
def test_a_similarity_of_tau_is_enough_in_single_precision(tau: float):
    assert similar_enough(np.array([[tau, 1]], np.float32), tau).tolist() == [1]


@pytest.mark.parametrize("tau", [-1.01, 1.01, float("nan")])
def test_a_threshold_no_cosine_can_have_is_refused(tau: float):
    with pytest.raises(ValueError, match=r"tau must be in \[-1, 1\]"):
        similar_enough(np.ones((1, 2)), tau)


def test_the_similarity_is_left_as_it_was():
    similarity = np.array([[0.5, 0.9]], np.float32)
    similar_enough(similarity, tau=1)
    assert similarity == pytest.approx(np.array([[0.5, 0.9]]))


def test_agreement_at_an_exit_asks_each_token_at_its_own():
    assert agreement_at(np.array([1, 1, 2, 2, 2]), TEXT.matches) == 2 / 5


def test_halves_stand_before_their_layers():
    depth, both = with_halves(np.array([[False, True, True]]), np.array([[1, 0, 1]]))
    assert depth.tolist() == [0.5, 1, 1.5, 2, 2.5, 3]
    assert both.tolist() == [[True, False, False, True, True, True]]


def test_a_layer_without_two_halves_is_one_exit():
    depth, both = with_halves(np.array([[False, True, True]]), np.array([[1, -1, 0]]))
    assert depth.tolist() == [0.5, 1, 2, 2.5, 3]
    assert both.tolist() == [[True, False, True, False, True]]


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


@given(traces(), st.floats(-1, 1))
def test_the_tau_oracle_is_what_its_definition_says(trace: Trace, tau: float):
    for row, exit_layer in zip(trace.similarity_logit, similar_enough(trace.similarity_logit, tau), strict=True):
        enough = [layer for layer in range(1, trace.num_layers) if row[layer - 1] >= np.float32(tau)]
        assert exit_layer == min([*enough, trace.num_layers])


@given(traces(), st.floats(-1, 1), st.floats(-1, 1))
def test_a_higher_threshold_exits_no_earlier(trace: Trace, one: float, other: float):
    low, high = sorted([one, other])
    assert (similar_enough(trace.similarity_logit, low) <= similar_enough(trace.similarity_logit, high)).all()


@given(traces())
def test_more_exits_to_choose_from_are_never_later(trace: Trace):
    matches = trace.matches[trace.sampled]
    depth, both = with_halves(matches, trace.half_matches)
    assert (depth[first_match(both) - 1] <= first_match(matches)).all()
