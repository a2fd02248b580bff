"""Thresholds with a guarantee: Learn then Test (Angelopoulos and others, arXiv 2110.01052), one prompt one draw.

The p-values are those of Hoeffding and Bentkus (Bates and others, arXiv 2101.02703, §3.1), the thresholds are tried
in a fixed order from the strictest on, and the last before the first that is not rejected is certified. So the chance
that its true risk is above ε is at most δ.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

RISK = 0.05
"""ε: the share of tokens that may change, as a mean over prompts."""
ERROR = 0.05
"""δ: the chance that the guarantee does not hold."""
THRESHOLDS = tuple(1 - 10 ** (-step / 10) for step in range(60, -1, -1))
"""λ in the order in which they are tried, from 0.999999 down to 0; fixed, because the guarantee needs that."""


def p_value(risk: float, prompts: int, level: float = RISK) -> float:
    """Return the p-value of the hypothesis that the true risk is above the level.

    Args:
        risk: mean over the prompts of a risk within 0 and 1.
        prompts: n.
        level: ε.
    """
    hoeffding = math.exp(-prompts * _divergence(min(risk, level), level))
    # Rounding must not raise the count of a risk that is k/n.
    bentkus = math.e * float(binom.cdf(math.ceil(prompts * risk - 1e-9), prompts, level))
    return min(hoeffding, bentkus, 1.0)


def certified(risks: NDArray[np.float64], level: float = RISK, error: float = ERROR) -> int | None:
    """Return the number of the last threshold that is certified; None if not even the first is.

    Args:
        risks: prompts × thresholds, each within 0 and 1, thresholds in the order in which they are tried.
        level: ε.
        error: δ.
    """
    found = None
    for number, risk in enumerate(risks.mean(axis=0)):
        if p_value(float(risk), len(risks), level) > error:
            break
        found = number
    return found


def _divergence(risk: float, level: float) -> float:
    """Return the Kullback–Leibler divergence of two coins, in nats."""
    heads = risk * math.log(risk / level) if risk > 0 else 0.0
    tails = (1 - risk) * math.log((1 - risk) / (1 - level)) if risk < 1 else 0.0
    return heads + tails
