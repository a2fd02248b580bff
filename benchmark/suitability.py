"""EAS, the Early-exit Adaptability Score (arXiv 2603.23701), of a curve of layer-to-final similarities."""

import numpy as np
from numpy.typing import NDArray


def exit_weights(num_layers: int) -> NDArray[np.float64]:
    """w_ℓ = (L − ℓ)/L for ℓ = 1..L: what an exit at ℓ saves."""
    return (num_layers - np.arange(1, num_layers + 1)) / num_layers


def eas(similarity: NDArray[np.floating], alpha: float) -> float:
    """EAS = (1/L) · Σ_ℓ S_ℓ^α · w_ℓ^(1−α).

    Args:
        similarity: S_ℓ of layers 1..L, the mean over the tokens of a case. Negative means count as 0.
        alpha: weight of similarity against depth, in [0, 1].

    Raises:
        ValueError: alpha is outside [0, 1].
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be in [0, 1], not {alpha}")
    clamped = np.clip(np.asarray(similarity, dtype=np.float64), 0.0, None)
    return float(np.mean(clamped**alpha * exit_weights(len(clamped)) ** (1 - alpha)))


def eas_max(alpha: float, num_layers: int) -> float:
    """EAS at S ≡ 1: the largest value a model of L layers can have."""
    return eas(np.ones(num_layers), alpha)
