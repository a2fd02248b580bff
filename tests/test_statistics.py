"""The bootstrap interval: what it resamples, when there is none, and how often it covers the truth."""

import numpy as np
import pytest

from benchmark import statistics
from benchmark.statistics import bootstrap_interval


def test_one_prompt_says_nothing_about_other_prompts():
    assert bootstrap_interval(np.array([0.1, 0.5, 0.9]), np.array([0, 0, 0]), seed=0) is None


def test_prompts_that_are_all_alike_leave_no_doubt():
    low, high = bootstrap_interval(np.full(6, 0.25), np.array([0, 0, 1, 1, 2, 2]), seed=0)
    assert (low, high) == (pytest.approx(0.25), pytest.approx(0.25))


def test_two_prompts_reach_from_one_to_the_other():
    # A draw has prompt 0 twice, prompt 1 twice, or both; the outer two make up a quarter of the draws each.
    values, prompt = np.array([0.0, 0.0, 1.0]), np.array([0, 0, 1])
    assert bootstrap_interval(values, prompt, seed=0) == (0.0, 1.0)


def test_a_prompt_counts_with_all_its_tokens():
    # In the middle half of the draws both prompts are there: three tokens of 0 and one of 1.
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


def test_it_covers_a_known_mean_about_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 1_000)  # ten times as fast, and hardly less exact
    covered = sum(low <= 0.4 <= high for low, high in map(_simulated_interval, range(500)))
    assert 0.92 <= covered / 500 <= 0.98


def _simulated_interval(seed: int) -> tuple[float, float]:
    """The interval of 60 prompts of 5 to 30 tokens each, whose tokens share most of what sets them apart from 0.4."""
    rng = np.random.default_rng(seed)
    prompt = np.repeat(np.arange(60), rng.integers(5, 31, size=60))
    values = 0.4 + rng.normal(0, 0.2, size=60)[prompt] + rng.normal(0, 0.1, size=len(prompt))
    interval = bootstrap_interval(values, prompt, seed)
    assert interval is not None
    return interval
