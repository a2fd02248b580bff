"""EAS: by hand, against published values of its maximum, and its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import alphas, curves

from benchmark.metrics.eas import eas, eas_max, eas_of_curves, exit_weights


def test_exit_weights_are_what_each_exit_saves():
    assert exit_weights(4) == pytest.approx([3 / 4, 2 / 4, 1 / 4, 0])


def test_eas_by_hand():
    # L = 4, alpha = 0.5: sqrt(0.12 · 0.75) + sqrt(0.5 · 0.5) + sqrt(0.64 · 0.25) + sqrt(1 · 0) = 0.3 + 0.5 + 0.4 + 0
    assert eas(np.array([0.12, 0.5, 0.64, 1.0]), alpha=0.5) == pytest.approx(1.2 / 4)


def test_alpha_weighs_similarity_against_depth():
    # L = 2, so only layer 1 counts, with S = 0.81 and w = 0.5: the fourth root of 0.81 is 0.9 to the half.
    assert eas(np.array([0.81, 1.0]), alpha=0.25) == pytest.approx(0.81**0.25 * 0.5**0.75 / 2)


def test_alpha_zero_counts_depth_alone():
    assert eas(np.array([0.2, 0.9, 1.0, 1.0]), alpha=0) == pytest.approx((3 / 4 + 2 / 4 + 1 / 4 + 0) / 4)


def test_alpha_one_counts_similarity_alone():
    assert eas(np.array([0.2, 0.6, 1.0]), alpha=1) == pytest.approx((0.2 + 0.6 + 1.0) / 3)


def test_negative_similarity_counts_as_none():
    assert eas(np.array([-0.6, 0.5, 1.0]), alpha=0.5) == eas(np.array([0.0, 0.5, 1.0]), alpha=0.5)


def test_a_cosine_that_rounding_lifted_above_one_counts_as_one():
    assert eas(np.array([1.0000001, 1.0000001, 1.0]), alpha=0.5) == eas_max(0.5, 3)


def test_a_model_of_one_layer_has_nothing_to_gain():
    assert eas(np.array([1.0]), alpha=0.5) == 0


def test_many_curves_at_once():
    scores = eas_of_curves(np.array([[0.12, 0.5, 0.64, 1.0], [0.0, 0.0, 0.0, 1.0]]), alpha=0.5)
    assert scores == pytest.approx([0.3, 0])


@pytest.mark.parametrize("alpha", [-0.01, 1.01, float("nan")])
def test_alpha_outside_its_range_is_refused(alpha: float):
    with pytest.raises(ValueError, match=r"alpha must be in \[0, 1\]"):
        eas(np.ones(3), alpha)


@pytest.mark.parametrize(
    ("alpha", "layers", "value"),
    [
        (0.3, 24, 0.567),
        (0.3, 32, 0.572),
        (0.3, 36, 0.574),
        (0.5, 24, 0.644),
        (0.5, 32, 0.650),
        (0.5, 36, 0.652),
        (0.7, 24, 0.744),
        (0.7, 32, 0.750),
        (0.7, 36, 0.753),
    ],
)
def test_largest_eas_of_common_depths(alpha: float, layers: int, value: float):
    assert eas_max(alpha, layers) == pytest.approx(value, abs=5e-4)


@given(alphas, st.integers(1, 80))
def test_full_similarity_gives_the_maximum(alpha: float, layers: int):
    assert eas(np.ones(layers), alpha) == eas_max(alpha, layers)


@given(st.floats(0, 1, exclude_min=True), st.integers(1, 80))
def test_no_similarity_gives_zero(alpha: float, layers: int):
    assert eas(np.zeros(layers), alpha) == 0


@given(curves, alphas, st.data())
def test_more_similarity_at_any_layer_gives_no_less(curve: list[float], alpha: float, data: st.DataObject):
    higher = [data.draw(st.floats(value, 1)) for value in curve]
    assert eas(np.array(higher), alpha) >= eas(np.array(curve), alpha) - 1e-12


@given(curves, alphas)
def test_eas_lies_between_zero_and_its_maximum(curve: list[float], alpha: float):
    assert 0 <= eas(np.array(curve), alpha) <= eas_max(alpha, len(curve)) + 1e-12
