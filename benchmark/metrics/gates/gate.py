"""Gates: a name, a signal between 0 and 1, in which direction it is sure, and what a look costs. A class each."""

from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.gates.seen import Seen

Scores = NDArray[np.float64]


class Gate:
    """A rule that leaves at the first look where it is sure enough: `score` ≥ λ.

    A gate of somebody's own is a subclass, in a suite file of their own; see docs/extending.md.
    """

    name: ClassVar[str]
    """Lower case, part of the names of its columns."""
    direction: ClassVar[Literal["above", "below"]] = "above"
    """Whether it is the surer the larger its signal is, or the smaller."""
    head: ClassVar[bool] = True
    """Whether a look needs the output head. Else the head runs once, at the exit."""
    vocabulary: ClassVar[bool] = True
    """Whether the signal is of the distribution over the vocabulary, which traces hold of all tokens if asked to."""

    def signal(self, seen: Seen) -> NDArray[np.floating]:
        """Return the signal at every look, N × K, within 0 and 1; NaN where there is none, and then it never leaves."""
        raise NotImplementedError

    def fitted(self, seen: Seen) -> Self:
        """Return the gate fitted to some tokens, which are not those that it is judged on; most need no fitting."""
        return self

    def whole(self, looks: int, num_layers: int) -> int:
        """Return what a threshold, as a person writes it, is a part of: the most there can be, which is λ = 1.

        Args:
            looks: number of layers at which the gate looks.
            num_layers: L.
        """
        return 1

    def score(self, seen: Seen) -> Scores:
        """Return how sure the gate is, N × K, within 0 and 1."""
        signal = np.clip(np.asarray(self.signal(seen), np.float64), 0, 1)
        return signal if self.direction == "above" else 1 - signal


class MaxProb(Gate):
    """Leaves when p₁ ≥ λ."""

    name = "max_prob"

    def signal(self, seen: Seen) -> NDArray[np.floating]:
        """Return p₁."""
        return seen.max_prob


class Margin(Gate):
    """Leaves when p₁ − p₂ ≥ λ: the softmax response of CALM (arXiv 2207.07061)."""

    name = "margin"

    def signal(self, seen: Seen) -> NDArray[np.floating]:
        """Return p₁ − p₂."""
        return seen.prob_margin


class Entropy(Gate):
    """Leaves when 1 − H(p)/ln V ≥ λ."""

    name = "entropy"
    direction = "below"

    def signal(self, seen: Seen) -> NDArray[np.floating]:
        """Return H(p)/ln V; 0 where the vocabulary is one token."""
        return seen.entropy / np.log(max(seen.vocab_size, 2))


class Saturation(Gate):
    """Leaves when cos(h_{ℓ−1}, h_ℓ) ≥ λ, from layer 2 on."""

    name = "saturation"
    head = False
    vocabulary = False

    def signal(self, seen: Seen) -> NDArray[np.floating]:
        """Return the cosine; an angle above 90° counts as 90°."""
        return seen.similarity_previous


class Patience(Gate):
    """Leaves when the likeliest token has been the same over k looks; λ is k over the number of looks."""

    name = "patience"

    def signal(self, seen: Seen) -> NDArray[np.floating]:
        """Return the length of the stretch of equal tokens that ends at each look, over the number of looks."""
        count = len(seen.looks)
        changed = np.ones(seen.predictions.shape, bool)
        changed[:, 1:] = seen.predictions[:, 1:] != seen.predictions[:, :-1]
        place = np.arange(count)
        since = np.maximum.accumulate(np.where(changed, place, 0), axis=1)
        return (place - since + 1) / max(count, 1)

    def whole(self, looks: int, num_layers: int) -> int:
        """Return the number of looks: k is written."""
        return max(looks, 1)


class Static(Gate):
    """Leaves at layer E, whatever the token; λ is E/L."""

    name = "static"
    head = False
    vocabulary = False

    def signal(self, seen: Seen) -> NDArray[np.floating]:
        """Return ℓ/L."""
        return np.broadcast_to(seen.looks / seen.num_layers, seen.matches.shape)

    def whole(self, looks: int, num_layers: int) -> int:
        """Return L: the layer E is written."""
        return num_layers


class Oracle(Gate):
    """Leaves where the token is the full model's. It cannot be built; no gate that keeps all tokens skips more."""

    name = "oracle"
    head = False
    vocabulary = False

    def signal(self, seen: Seen) -> NDArray[np.floating]:
        """Return 1 where the token is right, and none where it is not: it has no threshold."""
        return np.where(seen.matches, 1.0, np.nan)
