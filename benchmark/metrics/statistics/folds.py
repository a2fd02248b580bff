"""Two halves of the prompts: what is chosen on one is judged on the other, both ways."""

import numpy as np
from numpy.typing import NDArray

Fold = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""Tokens to choose by, and tokens to judge by."""


def two_folds(prompt: NDArray[np.integer]) -> list[Fold]:
    """Return the folds of some tokens: prompts of even and of odd number, both ways.

    Where all prompts are of one half, as a single prompt is, there is one fold, and it is judged on itself.

    Args:
        prompt: tokens, the number of the prompt each belongs to.
    """
    even = prompt % 2 == 0
    if even.all() or not even.any():
        every = np.ones_like(even)
        return [(every, every)]
    return [(even, ~even), (~even, even)]
