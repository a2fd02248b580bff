"""What matching is worth by accident."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from strategies import trace_of, traces

from benchmark.metrics.exits import first_match, skip_ratio
from benchmark.metrics.statistics.chance import chance_agreement, chance_skip_ratio
from benchmark.trace.record import Trace


def by_chance(trace: Trace) -> float:
    return chance_skip_ratio(trace.target, trace.predictions)


def test_two_tokens_by_hand():
    # The text 7 8 is shuffled: half the time each position keeps its token, half the time it has the other one.
    # Position 1 says 8 at layer 1 and 7 at layer 2: 7 skips nothing, 8 skips 1/2. Position 2 says 8 at both: 8 skips
    # 1/2, 7 is nowhere and exits at the last layer.
    trace = trace_of([[8, 7], [8, 8]])
    assert by_chance(trace) == pytest.approx((0 + 1 / 2 + 1 / 2 + 0) / 4)


def test_only_sampled_positions_are_asked_but_every_token_is_shuffled():
    # Position 2 alone: 8 skips 1/2, and is half of the text of the case.
    trace = trace_of([[8, 7], [8, 8]], sampled=[False, True])
    assert by_chance(trace) == pytest.approx(1 / 4)


def test_where_all_predictions_are_known_all_positions_are_asked():
    trace = trace_of([[8, 7], [8, 8]], sampled=[False, True], all_signals=True)
    assert by_chance(trace) == pytest.approx(1 / 4)
    trace = trace_of([[8, 7], [9, 8]], sampled=[False, True], all_signals=True)
    assert by_chance(trace) == pytest.approx(1 / 8)


def test_a_text_of_one_word_is_as_easy_by_chance_as_it_is():
    trace = trace_of([[7, 7, 7], [1, 7, 7], [1, 2, 7]])
    assert by_chance(trace) == pytest.approx(skip_ratio(first_match(trace.matches), 3).mean())


def test_words_larger_than_any_of_the_text_are_never_right():
    assert by_chance(trace_of([[99, 7], [99, 7]])) == 0


@given(traces(max_tokens=5))
def test_it_is_the_mean_over_all_shuffles(trace: Trace):
    assert by_chance(trace) == pytest.approx(float(_mean_over_shuffles(trace)), rel=1e-12, abs=1e-15)


def _mean_over_shuffles(trace: Trace) -> Fraction:
    """The definition, word for word and without rounding: shuffle the text, look where each token would exit."""
    layers = trace.num_layers
    total, count = Fraction(0), 0
    for shuffled in itertools.permutations(trace.target.tolist()):
        known = np.array(shuffled)[trace.signalled].tolist()
        for said, token in zip(trace.predictions.tolist(), known, strict=True):
            exit_layer = said.index(token) + 1 if token in said else layers
            total += Fraction(layers - exit_layer, layers)
            count += 1
    return total / count


def test_agreement_of_each_layer_by_hand():
    # Position 1 says 8 at layer 1, position 2 says 9 there, which is nowhere: half of half. Layer 2 says what is there.
    trace = trace_of([[8, 7], [9, 8]])
    assert chance_agreement(trace.target, trace.predictions).tolist() == [1 / 4, 1 / 2]


@given(traces(max_tokens=5))
def test_agreement_is_the_mean_over_all_shuffles(trace: Trace):
    right = [
        trace.predictions == np.array(shuffled)[trace.signalled][:, None]
        for shuffled in itertools.permutations(trace.target.tolist())
    ]
    expected = np.mean([each.mean(axis=0) for each in right], axis=0)
    np.testing.assert_allclose(chance_agreement(trace.target, trace.predictions), expected, atol=1e-12)
