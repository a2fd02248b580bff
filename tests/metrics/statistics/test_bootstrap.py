"""The bootstrap interval: what it resamples, when there is none, and how often it covers the truth."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.metrics.eas import eas, eas_of_curves
from benchmark.metrics.statistics import bootstrap as statistics
from benchmark.metrics.statistics.bootstrap import (
    OverTokens,
    bootstrap_interval,
    expanded_tail,
    paired_difference,
)


def test_one_prompt_says_nothing_about_other_prompts():
    assert bootstrap_interval(np.array([0.1, 0.5, 0.9]), np.array([0, 0, 0]), seed=0) is None


def test_prompts_that_are_all_alike_leave_no_doubt():
    low, high = bootstrap_interval(np.full(6, 0.25), np.array([0, 0, 1, 1, 2, 2]), seed=0)
    assert (low, high) == (pytest.approx(0.25), pytest.approx(0.25))


def test_two_prompts_reach_from_one_to_the_other():
    values, prompt = np.array([0.0, 0.0, 1.0]), np.array([0, 0, 1])
    assert bootstrap_interval(values, prompt, seed=0) == (0.0, 1.0)


def test_a_prompt_counts_with_all_its_tokens():
    # A draw has prompt 0 twice, prompt 1 twice, or, every other time, both: three tokens of 0 and one of 1.
    values, prompt = np.array([0.0, 0.0, 0.0, 1.0]), np.array([0, 0, 0, 1])
    low, high = bootstrap_interval(values, prompt, seed=0, level=0.2)
    assert (low, high) == (0.25, 0.25)


def test_differences_within_prompts_do_not_widen_it():
    values = np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    low, high = bootstrap_interval(values, np.array([0, 0, 1, 1, 2, 2]), seed=0)
    assert (low, high) == (pytest.approx(0.5), pytest.approx(0.5))


def test_numbers_of_prompts_are_names_only():
    values = np.array([0.1, 0.4, 0.2, 0.9])
    gaps = bootstrap_interval(values, np.array([3, 3, 17, 40]), seed=5)
    assert gaps == bootstrap_interval(values, np.array([0, 0, 1, 2]), seed=5)


def test_the_seed_decides():
    values, prompt = np.random.default_rng(1).random(50), np.arange(50)
    assert bootstrap_interval(values, prompt, seed=3) == bootstrap_interval(values, prompt, seed=3)
    assert bootstrap_interval(values, prompt, seed=3) != bootstrap_interval(values, prompt, seed=4)


def test_a_higher_level_is_wider():
    values, prompt = np.random.default_rng(1).random(50), np.arange(50)
    narrow, wide = (bootstrap_interval(values, prompt, seed=0, level=level) for level in (0.5, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_a_statistic_is_taken_of_each_draw():
    # The smaller of two means: of prompt 0 it is 1, of prompt 1 it is 2, of both together 2.5.
    values = np.array([[1.0, 3.0], [4.0, 2.0]])
    low, high = bootstrap_interval(values, np.array([0, 1]), seed=0, statistic=lambda means: means.min(axis=1))
    assert (low, high) == (1, 2.5)


def test_the_ends_left_out_by_hand():
    # t of 15 degrees of freedom at 97.5 % is 2.131, times √(16/15) is 2.201; Φ(−2.201) = 0.0139.
    assert expanded_tail(16) == pytest.approx(0.0139, abs=5e-5)


def test_with_many_prompts_it_is_the_plain_percentile_interval():
    assert expanded_tail(100_000) == pytest.approx(0.025, abs=1e-5)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=2, max_size=30).filter(
        lambda tokens: len({prompt for prompt, _ in tokens}) > 1
    ),
    st.integers(0, 2**32),
)
def test_no_draw_is_above_the_best_prompt_or_below_the_worst(tokens: list[tuple[int, float]], seed: int):
    prompt, values = np.array([number for number, _ in tokens]), np.array([value for _, value in tokens])
    of_prompts = [values[prompt == number].mean() for number in set(prompt.tolist())]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "RESAMPLES", 1_000)
        low, high = bootstrap_interval(values, prompt, seed)
    assert min(of_prompts) - 1e-12 <= low <= high <= max(of_prompts) + 1e-12


@pytest.mark.parametrize("prompts", [16, 40])
def test_it_covers_a_known_mean_as_often_as_it_says(prompts: int, monkeypatch: pytest.MonkeyPatch):
    def interval(seed: int) -> tuple[float, float] | None:
        prompt, shared, own = _simulated(prompts, seed)
        return bootstrap_interval(0.4 + 0.2 * shared + 0.1 * own, prompt, seed)

    assert 0.92 <= _coverage(interval, 0.4, monkeypatch) <= 0.98


@pytest.mark.parametrize("prompts", [16, 40])
def test_it_covers_a_known_score_as_often_as_it_says(prompts: int, monkeypatch: pytest.MonkeyPatch):
    truth = np.array([0.2, 0.4, 0.7, 1.0])

    def interval(seed: int) -> tuple[float, float] | None:
        prompt, shared, own = _simulated(prompts, seed)
        noise = np.multiply.outer(0.1 * shared + 0.05 * own, [1.0, 0.8, 0.5, 0.0])
        return bootstrap_interval(truth + noise, prompt, seed, lambda curves: eas_of_curves(curves, 0.5))

    assert 0.92 <= _coverage(interval, eas(truth, 0.5), monkeypatch) <= 0.98


def _simulated(prompts: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Prompts of 5 to 60 tokens: of each token its prompt, noise that its prompt shares, and noise of its own."""
    rng = np.random.default_rng(seed)
    prompt = np.repeat(np.arange(prompts), rng.integers(5, 61, size=prompts))
    return prompt, rng.normal(size=prompts)[prompt], rng.normal(size=len(prompt))


def _coverage(
    interval: Callable[[int], tuple[float, float] | None], truth: float, monkeypatch: pytest.MonkeyPatch
) -> float:
    """Share of 500 simulated cases whose interval holds the truth."""
    monkeypatch.setattr(statistics, "RESAMPLES", 1_000)  # ten times as fast, and hardly less exact
    ends = [interval(seed) for seed in range(500)]
    return sum(low <= truth <= high for low, high in ends) / 500


class TestPairedDifference:
    """Two cases of the same prompts, each drawn with the same prompts."""

    PROMPT = np.repeat(np.arange(12), 3)

    def of(self, values: np.ndarray) -> OverTokens:
        return OverTokens(values, self.PROMPT)

    def test_equal_cases_differ_by_nothing(self):
        case = self.of(np.random.default_rng(0).random(36))
        found = paired_difference(case, case, seed=0)
        assert (found.low, found.high, found.prompts, found.one) == (0, 0, 12, found.other)

    def test_what_every_prompt_gains_has_no_width_although_prompts_differ(self):
        values = self.PROMPT * 1.0
        found = paired_difference(self.of(values), self.of(values + 0.25), seed=0)
        assert (found.low, found.high) == pytest.approx((0.25, 0.25))
        alone = bootstrap_interval(values, self.PROMPT, 0)
        assert alone[1] - alone[0] > 1

    def test_it_is_the_interval_of_the_differences_where_prompts_are_as_long(self):
        rng = np.random.default_rng(1)
        one, other = rng.random(36), rng.random(36)
        found = paired_difference(self.of(one), self.of(other), seed=3)
        assert (found.low, found.high) == pytest.approx(bootstrap_interval(other - one, self.PROMPT, 3))

    def test_only_prompts_that_both_have_count(self):
        one = OverTokens(np.array([0.0, 1.0, 5.0]), np.array([0, 1, 2]))
        other = OverTokens(np.array([1.0, 2.0, 9.0]), np.array([0, 1, 7]))
        found = paired_difference(one, other, seed=0)
        assert (found.one, found.other, found.prompts) == (0.5, 1.5, 2)

    def test_one_prompt_has_no_interval_and_none_no_difference(self):
        one, other = (OverTokens(np.array([value]), np.array([0])) for value in (1.0, 3.0))
        found = paired_difference(one, other, seed=0)
        assert (found.other - found.one, found.low, found.high) == (2, None, None)
        assert paired_difference(one, OverTokens(np.array([1.0]), np.array([4])), seed=0) is None

    def test_a_statistic_of_several_means(self):
        rng = np.random.default_rng(2)
        values = rng.random((36, 2))

        def ratio(means: np.ndarray) -> np.ndarray:
            return means[:, 0] / means[:, 1]

        one, other = (OverTokens(some, self.PROMPT, ratio) for some in (values, values * [2, 1]))
        found = paired_difference(one, other, seed=0)
        assert found.other == pytest.approx(2 * found.one)
        assert found.low < found.other - found.one < found.high
