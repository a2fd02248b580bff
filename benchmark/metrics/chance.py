"""What a number of a case would be worth by accident."""

import numpy as np

from benchmark.metrics.eas import exit_weights
from benchmark.trace.record import Trace


def chance_skip_ratio(trace: Trace) -> float:
    """Mean skip ratio when the full model's tokens are shuffled across the positions of the case.

    This is the expectation over all shuffles, not one draw: a token v stands at a given position with the probability
    of its share in all texts of the case, and then exits at the first layer that predicts v there (or at L, which
    skips nothing). The mean is over the positions whose predictions are known, all of them or those of the sample.
    """
    vocabulary, counts = np.unique(trace.target, return_counts=True)
    place = np.searchsorted(vocabulary, trace.predictions).clip(max=len(vocabulary) - 1)
    probability = np.where(vocabulary[place] == trace.predictions, counts[place] / trace.num_tokens, 0.0)
    # Only the first layer that predicts a token counts: the stable order has equal predictions by layer.
    order = trace.predictions.argsort(axis=1, kind="stable")
    predicted = np.take_along_axis(trace.predictions, order, axis=1)
    first = np.ones(order.shape, np.bool_)
    first[:, 1:] = predicted[:, 1:] != predicted[:, :-1]
    skipped = exit_weights(trace.num_layers)[order] * first
    return float((np.take_along_axis(probability, order, axis=1) * skipped).sum(axis=1).mean())
