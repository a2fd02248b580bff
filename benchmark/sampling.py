"""The fixed random sample of tokens that are looked at with all their logits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOP_K = 10
SAMPLE = 48
"""Tokens. On a CPU, each takes as long as the exits of a dozen others."""


@dataclass(frozen=True)
class Sampling:
    """Which tokens are looked at with all their logits."""

    tokens: int | None = SAMPLE
    """How many, at most; None takes all."""
    top_k: int = TOP_K
    """K of the overlap of the most likely tokens."""
    seed: int = 0
    """Of the choice."""

    def choose(self, prompts: int, positions: int) -> NDArray[np.bool_]:
        """Draw places of the grid prompts × positions; texts that end early use fewer of them."""
        size = prompts * positions
        chosen = np.zeros(size, dtype=bool)
        order = np.random.default_rng([self.seed, 1]).permutation(size)
        chosen[order[: self.tokens]] = True
        return chosen.reshape(prompts, positions)
