"""What a number of a case would be worth by accident."""

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.eas import exit_weights


def chance_skip_ratio(target: NDArray[np.int32], predictions: NDArray[np.int32]) -> float:
    """Mean skip ratio when the full model's tokens are shuffled across the positions of the case.

    This is the expectation over all shuffles, not one draw: a token v stands at a given position with the probability
    of its share in all texts of the case, and then exits at the first layer that predicts v there (or at L, which
    skips nothing). The mean is over the positions whose predictions are known, all of them or those of the sample.

    Args:
        target: T tokens of the full model.
        predictions: m × L, the token of every layer at the m positions where that is known, at least one.
    """
    probability = _share_in_text(target, predictions)
    # Only the first layer that predicts a token counts: the stable order has equal predictions by layer.
    order = predictions.argsort(axis=1, kind="stable")
    predicted = np.take_along_axis(predictions, order, axis=1)
    first = np.ones(order.shape, np.bool_)
    first[:, 1:] = predicted[:, 1:] != predicted[:, :-1]
    skipped = exit_weights(predictions.shape[1])[order] * first
    return float((np.take_along_axis(probability, order, axis=1) * skipped).sum(axis=1).mean())


def chance_agreement(target: NDArray[np.int32], predictions: NDArray[np.int32]) -> NDArray[np.float64]:
    """Share of tokens that each layer has right when the full model's tokens are shuffled, likewise.

    Args:
        target: T tokens of the full model.
        predictions: m × L, the token of every layer at the m positions where that is known, at least one.

    Returns:
        L shares.
    """
    return _share_in_text(target, predictions).mean(axis=0)


def _share_in_text(target: NDArray[np.int32], predictions: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return, of each token that a layer predicts, its share in all texts of the case: m × L."""
    vocabulary, counts = np.unique(target, return_counts=True)
    place = np.searchsorted(vocabulary, predictions).clip(max=len(vocabulary) - 1)
    return np.where(vocabulary[place] == predictions, counts[place] / len(target), 0.0)
