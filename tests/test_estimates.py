"""Numbers over models, and the intervals that come with them."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from benchmark.estimates import MINIMUM_DEGREES, difference, mean, rank_correlation, slope, spearman

few_values = st.integers(0, 3).map(float)


class TestNumbers:
    """What is estimated, without its interval."""

    def test_a_mean_counts_every_model_once(self):
        assert mean("skip", "layers", [1.0, 2.0, 6.0]).value == 3.0

    def test_a_difference_is_the_first_group_minus_the_others(self):
        assert difference("dense", "layers", [5.0, 7.0, 1.0], [True, True, False]).value == 5.0

    def test_a_slope_is_what_the_value_changes_a_year(self):
        estimate = slope("trend", "layers a year", [1.0, 3.0, 5.0], [2022.0, 2023.0, 2024.0], ["a"] * 3)
        assert estimate.value == pytest.approx(2.0)

    def test_a_family_of_one_date_has_no_slope(self):
        estimate = slope("trend", "layers a year", [1.0, 3.0], [2022.0, 2022.0], ["a", "a"])
        assert (estimate.value, estimate.models) == (None, 0)

    def test_families_of_one_date_are_left_out_of_the_slope(self):
        values, years = [1.0, 3.0, 5.0, 90.0], [2022.0, 2023.0, 2024.0, 2030.0]
        estimate = slope("trend", "layers a year", values, years, ["a", "a", "a", "b"])
        assert (estimate.value, estimate.models) == (pytest.approx(2.0), 3)

    @given(st.lists(st.floats(-5, 5), min_size=8, max_size=8), st.floats(-100, 100))
    def test_a_slope_does_not_see_how_high_a_family_stands(self, values: list[float], lift: float):
        years, family = [2020.0, 2021.0, 2022.0, 2024.0] * 2, ["a"] * 4 + ["b"] * 4
        lifted = np.array(values) + np.repeat([0.0, lift], 4)
        plain, other = (slope("", "", column, years, family).value for column in (values, lifted))
        assert other == pytest.approx(plain, abs=1e-9)

    @given(st.lists(st.tuples(few_values, few_values, st.integers(0, 3)), min_size=1, max_size=10))
    def test_a_weight_counts_a_point_several_times(self, points: list[tuple[float, float, int]]):
        x, y, times = map(np.array, zip(*points, strict=True))
        copies = np.repeat(x, times), np.repeat(y, times)
        (rho,) = spearman(times[None].astype(float), x, y)
        if min((len(set(column)) for column in copies), default=0) < 2:
            assert np.isnan(rho)
        else:
            assert rho == pytest.approx(scipy.stats.spearmanr(*copies).statistic, abs=1e-9)

    def test_a_correlation_of_equal_values_does_not_exist(self):
        estimate = rank_correlation("", np.arange(9.0), np.ones(9))
        assert (estimate.value, estimate.missing) == (None, "all models alike")


class TestIntervals:
    """How far the number would move with other models."""

    @pytest.mark.parametrize("models", [0, 1, MINIMUM_DEGREES])
    def test_few_models_have_no_interval_but_say_how_many_are_needed(self, models: int):
        estimate = mean("skip", "layers", np.arange(float(models)))
        assert (estimate.low, estimate.missing) == (None, f"more models needed: {MINIMUM_DEGREES + 1 - models}")

    def test_a_difference_needs_models_in_both_groups(self):
        estimate = difference("", "", np.arange(20.0), np.arange(20) < 2)
        assert (estimate.low, estimate.missing) == (None, "more models needed: 3")

    def test_every_family_of_a_slope_costs_a_model(self):
        years, values = np.tile([2020.0, 2021.0, 2022.0], 2), np.arange(6.0)
        assert slope("", "", values, years, ["a"] * 3 + ["b"] * 3).missing == "more models needed: 2"

    def test_a_correlation_that_hangs_on_one_model_has_no_interval(self):
        estimate = rank_correlation("", np.eye(1, 9)[0], np.arange(9.0))
        assert (estimate.low, estimate.missing) == (None, "hangs on one or two models")

    def test_points_of_one_model_are_drawn_together(self):
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(2, 8))
        x, y = np.repeat(x, 20), np.repeat(y, 20)
        together, apart = (rank_correlation("", x, y, model) for model in (np.repeat(np.arange(8), 20), None))
        assert together.value == apart.value
        assert together.high - together.low > 2 * (apart.high - apart.low)

    def test_the_same_models_give_the_same_interval(self):
        values = np.random.default_rng(0).normal(size=12)
        assert mean("", "", values) == mean("", "", values)

    def test_nineteen_of_twenty_intervals_hold_the_truth(self):
        rng = np.random.default_rng(0)
        held = [
            estimate.low <= 1.0 <= estimate.high
            for estimate in (
                difference("", "", rng.normal(np.arange(20) < 8, 1), np.arange(20) < 8) for _ in range(200)
            )
        ]
        assert 0.9 < np.mean(held) < 0.99
