"""Numbers over models, and the intervals that come with them."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from benchmark.report.findings.estimates import MINIMUM_DEGREES, Estimate, difference, mean, numbered, slope
from benchmark.report.findings.rank_correlation import rank_correlations, spearman

few_values = st.integers(0, 3).map(float)


def rank_correlation(x: ArrayLike, y: ArrayLike, lineage: ArrayLike | None = None) -> Estimate:
    (estimate,) = rank_correlations([""], x, [y], lineage, len(np.asarray(x)))
    return estimate


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
        ((rho,),) = spearman(x, y[None], np.arange(len(x)))(times[None].astype(float))
        if min((len(set(column)) for column in copies), default=0) < 2:
            assert np.isnan(rho)
        else:
            assert rho == pytest.approx(scipy.stats.spearmanr(*copies).statistic, abs=1e-9)

    def test_a_correlation_of_equal_values_does_not_exist(self):
        estimate = rank_correlation(np.arange(9.0), np.ones(9))
        assert (estimate.value, estimate.missing) == (None, "all models alike")

    @given(st.lists(st.tuples(few_values, few_values, few_values, st.integers(0, 3)), min_size=1, max_size=12))
    def test_every_draw_ranks_the_points_it_holds(self, points: list[tuple[float, float, float, int]]):
        x, y, z, lineage = map(np.array, zip(*points, strict=True))
        member, lineages = numbered(lineage, len(points))
        weights = np.array([np.ones(lineages), np.arange(lineages), 3 - np.arange(lineages)])
        found = spearman(x, np.stack([y, z, y]), member)(weights)
        for times, rhos in zip(weights.astype(int), found, strict=True):
            held = np.repeat(np.arange(len(points)), times[member])
            for other, rho in zip((y, z, y), rhos, strict=True):
                if min(len(set(x[held])), len(set(other[held]))) < 2:
                    assert np.isnan(rho)
                else:
                    assert rho == pytest.approx(scipy.stats.spearmanr(x[held], other[held]).statistic, abs=1e-9)


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
        estimate = rank_correlation(np.eye(1, 9)[0], np.arange(9.0))
        assert (estimate.low, estimate.missing) == (None, "hangs on one or two models")

    def test_points_of_one_lineage_are_drawn_together(self):
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(2, 8))
        x, y = np.repeat(x, 20), np.repeat(y, 20)
        together, apart = (rank_correlation(x, y, lineage) for lineage in (np.repeat(np.arange(8), 20), None))
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


class TestLineages:
    """A base model and what was made from it are alike, so they are drawn together and count as one."""

    TWINS = np.repeat(np.arange(12), 2)

    def test_nineteen_of_twenty_intervals_hold_the_truth_though_models_come_in_twins(self):
        rng = np.random.default_rng(0)
        held = []
        for _ in range(200):
            values = np.repeat(rng.normal(1, 1, 12), 2) + rng.normal(0, 0.1, 24)
            estimates = [
                mean("", "", values, self.TWINS),
                difference("", "", values + (self.TWINS < 6), self.TWINS < 6, self.TWINS),
                slope("", "", values + self.TWINS % 6, self.TWINS % 6, self.TWINS // 6, self.TWINS),
            ]
            held.append([estimate.low <= 1 <= estimate.high for estimate in estimates])
        assert np.all(np.mean(held, axis=0) > 0.9)
        assert np.all(np.mean(held, axis=0) < 0.995)

    @pytest.mark.parametrize(
        "estimate",
        [
            lambda values, lineage: mean("", "", values, lineage),
            lambda values, lineage: difference("", "", values, np.arange(len(values)) % 24 < 12, lineage),
            lambda values, lineage: slope("", "", values, np.arange(len(values)) % 24, ["a"] * len(values), lineage),
            lambda values, lineage: rank_correlation(np.arange(len(values)) % 24, values, lineage),
        ],
    )
    def test_copies_of_models_do_not_make_an_interval_narrower(self, estimate: Callable[..., Estimate]):
        values = np.random.default_rng(1).normal(size=24)
        once = estimate(values, None)
        copied = estimate(np.tile(values, 5), np.tile([f"{number:02}" for number in range(24)], 5))
        assert copied.models == 120
        assert (copied.value, copied.low, copied.high) == pytest.approx((once.value, once.low, once.high))

    def test_what_is_needed_is_counted_in_lineages(self):
        assert mean("", "", np.arange(8.0), [0, 0, 0, 0, 0, 1, 2, 3]).missing == "more models needed: 2"
