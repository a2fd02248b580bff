"""A gate that is trained: what four cheap signals together know."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from benchmark.metrics.gates.gate import Gate
from benchmark.metrics.gates.seen import Seen

_DIGITS = 9
"""Of probabilities: the last digits of a fit depend on the processor, and exits must not."""


@dataclass(frozen=True)
class Learned(Gate):
    """Leaves when logistic regression finds it likely enough that the layer's token is the full model's.

    Its features are p₁ − p₂, H(p)/ln V, cos(h_{ℓ−1}, h_ℓ) and ℓ/L. It is fitted to tokens that it is not judged on.
    """

    name = "learned"
    weights: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    """Of the features."""
    bias: float = 0.0
    """Log odds where all features are 0."""

    def fitted(self, seen: Seen) -> Self:
        """Return the gate fitted to every look of some tokens."""
        # Half a second to import, which only a trace with signals needs.
        from sklearn.linear_model import LogisticRegression

        right, features = seen.matches.reshape(-1), _features(seen)
        if len(right) == 0 or right.all() or not right.any():  # nothing to tell apart
            return type(self)(bias=np.inf if right.any() else -np.inf)
        centre, scale = features.mean(axis=0), features.std(axis=0)
        scale[scale == 0] = 1
        # Newton's method, which ends where others only come near: the same on every processor, but for rounding.
        model = LogisticRegression(solver="newton-cholesky", tol=1e-6, max_iter=200)
        model.fit((features - centre) / scale, right)
        weights = model.coef_[0] / scale
        return type(self)(tuple(weights.tolist()), float(model.intercept_[0] - weights @ centre))

    def signal(self, seen: Seen) -> NDArray[np.floating]:
        """Return the probability that the token is the full model's."""
        probability = expit(_features(seen) @ np.array(self.weights) + self.bias)
        return np.round(probability, _DIGITS).reshape(seen.matches.shape)


def _features(seen: Seen) -> NDArray[np.float64]:
    """N·K × 4. The first layer has no layer before it, and is as far from it as can be."""
    depth = np.broadcast_to(seen.looks / seen.num_layers, seen.matches.shape)
    entropy = seen.entropy / np.log(max(seen.vocab_size, 2))
    parts = (seen.prob_margin, entropy, np.nan_to_num(seen.similarity_previous, nan=0.0), depth)
    return np.stack([np.asarray(part, np.float64).reshape(-1) for part in parts], axis=1)
