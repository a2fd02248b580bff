"""Certified thresholds: p-values by hand, the fixed sequence, and the guarantee in a thousand simulations."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from benchmark.metrics.gates.certified import ERROR, RISK, THRESHOLDS, certified, p_value


def test_a_risk_of_nothing_is_as_likely_as_so_many_coins_without_heads():
    assert p_value(0.0, 59) == pytest.approx(0.95**59)
    assert p_value(0.0, 58) > ERROR > p_value(0.0, 59)


def test_the_smaller_of_hoeffding_and_bentkus():
    risk, prompts = 0.02, 200
    divergence = risk * math.log(risk / RISK) + (1 - risk) * math.log((1 - risk) / (1 - RISK))
    hoeffding, bentkus = math.exp(-prompts * divergence), math.e * binom.cdf(4, prompts, RISK)
    assert p_value(risk, prompts) == pytest.approx(min(hoeffding, bentkus))
    assert p_value(0.08, prompts) == 1


def test_thresholds_are_tried_from_the_strictest_on():
    assert THRESHOLDS[-1] == 0 and THRESHOLDS[0] > 0.99999
    assert (np.diff(THRESHOLDS) < 0).all()


def test_the_last_one_before_the_first_failure_is_certified():
    right, wrong = np.zeros(100), np.full(100, 0.2)
    assert certified(np.stack([right, right, wrong, right], axis=1)) == 1
    assert certified(np.stack([wrong, right], axis=1)) is None
    assert certified(np.stack([right, right], axis=1)) == 1


def test_few_prompts_certify_nothing():
    assert certified(np.zeros((16, 3))) is None


def test_the_true_risk_is_rarely_above_its_level():
    """Prompts of ten tokens, each with a risk of its own that grows as the threshold falls."""
    draw = np.random.default_rng(0)
    true = np.linspace(0.0, 0.2, 41)
    above = 0
    for _ in range(1000):
        worse = draw.beta(1, 3, size=(80, 1)) * 4  # of mean 1
        risks = draw.binomial(10, np.clip(true * worse, 0, 1)) / 10
        found = certified(risks)
        # Clipped risks have a mean that is no larger.
        above += found is not None and true[found] > RISK
    assert above <= 70
    assert certified(np.zeros((80, 41))) == 40
