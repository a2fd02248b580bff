"""Means over workloads, and the intervals that follow from those of the rows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import row_of

from benchmark.report.board.means import Mean, arithmetic_mean, harmonic_mean, mean_with_interval, means

numbers = st.tuples(st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 0.3)).map(
    lambda drawn: (drawn[0], drawn[0] - drawn[1], drawn[0] + drawn[2])
)


class TestInterval:
    """Zou and Donner's method of variance estimates recovery, for a mean."""

    @given(numbers)
    def test_of_one_row_it_is_the_rows_own(self, number: tuple[float, float, float]):
        assert mean_with_interval([number]) == pytest.approx(number)

    def test_of_equal_intervals_it_shrinks_with_the_root_of_their_number(self):
        value, low, high = mean_with_interval([(0.2, 0.1, 0.3), (0.4, 0.3, 0.5), (0.6, 0.5, 0.7), (0.8, 0.7, 0.9)])
        assert (value, low, high) == pytest.approx((0.5, 0.45, 0.55))

    def test_it_keeps_the_side_on_which_rows_are_unsure(self):
        value, low, high = mean_with_interval([(0.5, 0.1, 0.5), (0.5, 0.2, 0.5)])
        assert (value, low, high) == pytest.approx((0.5, 0.25, 0.5))

    @given(st.lists(numbers, min_size=1, max_size=9))
    def test_it_lies_around_the_mean_and_within_the_mean_of_the_ends(self, rows: list[tuple[float, float, float]]):
        value, low, high = mean_with_interval(rows)
        least, most = (math.fsum(row[end] for row in rows) / len(rows) for end in (1, 2))
        assert least - 1e-12 <= low <= value <= high <= most + 1e-12

    def test_of_exact_intervals_it_holds_the_truth_as_often_as_they_do(self):
        rng = np.random.default_rng(0)
        spread = np.array([0.02, 0.05, 0.1, 0.03, 0.08])
        values = rng.normal(0.3, spread, size=(2000, 5))
        held = 0
        for drawn in values:
            rows = zip(drawn, drawn - 1.96 * spread, drawn + 1.96 * spread, strict=True)
            _, low, high = mean_with_interval(list(rows))
            held += low <= 0.3 <= high
        assert held / len(values) == pytest.approx(0.95, abs=0.015)


class TestMeans:
    """Every row counts the same, and a number that is missing is not made up."""

    def test_a_mean_and_its_interval_are_of_the_same_rows(self):
        rows = [row_of(eas=0.3, eas_ci_low=0.2, eas_ci_high=0.4), row_of(eas=0.5, eas_ci_low=0.4, eas_ci_high=0.6)]
        found = means(rows)["eas"]
        assert (found.value, found.low, found.high) == pytest.approx((0.4, 0.4 - 0.1 / 2**0.5, 0.4 + 0.1 / 2**0.5))

    def test_without_the_interval_of_one_row_there_is_none(self):
        assert means([row_of(eas=0.25, eas_ci_low=0.2, eas_ci_high=0.4), row_of(eas=0.75)])["eas"] == Mean(0.5)

    def test_without_the_number_of_one_row_there_is_no_mean(self):
        assert means([row_of(eas=0.3), row_of()])["eas"] == Mean()

    def test_of_no_rows_there_is_no_mean(self):
        assert set(means([]).values()) == {Mean()}

    def test_a_bound_is_that_of_a_text_made_up_of_the_workloads_in_equal_parts(self):
        # Of 40 layers, 10 and 30 are run for a token of each: 20 on average.
        rows = [row_of(speedup_bound_layers=40 / 10), row_of(speedup_bound_layers=40 / 30)]
        assert harmonic_mean(rows, "speedup_bound_layers") == pytest.approx(40 / 20)
        assert arithmetic_mean(rows, "speedup_bound_layers") != pytest.approx(40 / 20)
