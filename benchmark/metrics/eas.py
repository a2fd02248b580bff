"""EAS, the Early-exit Adaptability Score (arXiv 2603.23701), of a curve of layer-to-final similarities."""

import numpy as np
from numpy.typing import NDArray


def exit_weights(num_layers: int) -> NDArray[np.float64]:
    """w_ℓ = (L − ℓ)/L for ℓ = 1..L: what an exit at ℓ saves."""
    return (num_layers - np.arange(1, num_layers + 1)) / num_layers


def eas(similarity: NDArray[np.floating], alpha: float) -> float:
    """EAS = (1/L) · Σ_ℓ S_ℓ^α · w_ℓ^(1−α), with 0⁰ = 1.

    Args:
        similarity: S_ℓ of layers 1..L, the mean over the tokens of a case. Negative means count as 0.
        alpha: weight of similarity against depth, in [0, 1].

    Raises:
        ValueError: alpha is outside [0, 1].
    """
    return float(eas_of_curves(np.asarray(similarity)[None], alpha)[0])


def eas_of_curves(similarity: NDArray[np.floating], alpha: float) -> NDArray[np.float64]:
    """The same of many curves at once: curves × L → curves."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be in [0, 1], not {alpha}")
    # Above 1 there is only rounding.
    clamped = np.clip(np.asarray(similarity, np.float64), 0.0, 1.0)
    return np.mean(clamped**alpha * exit_weights(clamped.shape[1]) ** (1 - alpha), axis=1)


def eas_max(alpha: float, num_layers: int) -> float:
    """EAS at S ≡ 1: the largest value a model of L layers can have."""
    return eas(np.ones(num_layers), alpha)
