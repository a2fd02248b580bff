"""When a token leaves: a rule that decides from what it sees at some layers, or exits that are given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Asks = Literal["max_prob", "prob_margin", "entropy", "predictions", "similarity_previous"]
"""What a rule may want to see; the fields of `Glimpses`."""
OF_VOCABULARY = frozenset[Asks](("max_prob", "prob_margin", "entropy", "predictions"))
"""What takes the logits of an exit."""


@dataclass(frozen=True)
class Glimpses:
    """What was seen so far of the tokens of N texts at K looks; NaN, and −1 of predictions, where nobody has looked.

    Each array is what `benchmark.trace.record.Trace` calls so.
    """

    max_prob: NDArray[np.float32]
    prob_margin: NDArray[np.float32]
    entropy: NDArray[np.float32]
    predictions: NDArray[np.int32]
    similarity_previous: NDArray[np.float32]

    @classmethod
    def nothing(cls, texts: int, looks: int) -> "Glimpses":
        """Return those of tokens that nobody has looked at: N × K."""
        shape = texts, looks
        one, two, three, four = (np.full(shape, np.nan, np.float32) for _ in range(4))
        return cls(one, two, three, np.full(shape, -1, np.int32), four)

    def of(self, texts: NDArray[np.int64]) -> "Glimpses":
        """Return those of some of the texts."""
        return Glimpses(**{name: array[texts] for name, array in vars(self).items()})


@dataclass(frozen=True)
class Rule:
    """A gate that decides at some layers."""

    looks: tuple[int, ...]
    """Layers at which it looks, counted from 1, ascending, below the last; none where no token ever leaves."""
    leaves: Callable[[Glimpses, int], NDArray[np.bool_]]
    """From what was seen, up to a look, and the number of that look: which texts' tokens leave there, N."""
    asks: frozenset[Asks]
    """What it wants to see."""
    monotone: bool = False
    """Whether a token whose signals lie between those of two that it decides alike is decided as they are."""
    oracle: bool = False
    """Whether it asks for the full model's token instead, which takes a pass through all layers first."""


NEVER = Rule((), lambda glimpses, look: np.zeros(len(glimpses.max_prob), bool), frozenset())
"""Lets no token leave: the full model's text."""


@dataclass(frozen=True)
class Given:
    """Exits that are known in advance, to prove an engine with."""

    exits: Sequence[Sequence[int]]
    """Of each text, the layer at which each of its tokens leaves, in 1..L; of the first token it must be L."""


@dataclass(frozen=True)
class GatedText:
    """What was written behind one prompt."""

    tokens: tuple[int, ...]
    """Up to the one that ends the text."""
    exits: tuple[int, ...]
    """The layer, in 1..L, that each token left at."""
