"""The fixed random sample of tokens that are looked at with all their logits."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

# Where it is used, because options take the defaults from here, and every session of pytest has the options.
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SignalsOf = Literal["sample", "all"]
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
    signals: SignalsOf = "sample"
    """Which tokens' signals are kept: those of the sample, or of all tokens."""

    def choose(self, prompts: int, positions: int) -> "NDArray[np.bool_]":
        """Draw places of the grid prompts × positions; texts that end early use fewer of them."""
        return draws(self.seed, prompts, positions) < (prompts * positions if self.tokens is None else self.tokens)


def draws(seed: int, prompts: int, positions: int) -> "NDArray[np.int64]":
    """When each place of the grid prompts × positions is drawn, from 0: a sample is the places that are drawn first."""
    import numpy as np

    size = prompts * positions
    drawn = np.empty(size, dtype=np.int64)
    drawn[np.random.default_rng([seed, 1]).permutation(size)] = np.arange(size)
    return drawn.reshape(prompts, positions)
