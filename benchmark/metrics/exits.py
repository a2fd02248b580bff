"""Oracle exits of each token, and the skip ratios that follow from them. Layers count from 1 to L."""

import numpy as np
from numpy.typing import NDArray

Exits = NDArray[np.int64]


def first_match(matches: NDArray[np.bool_]) -> Exits:
    """The shallowest layer whose token is the full model's: tokens × L → tokens, in 1..L."""
    return matches.argmax(axis=1) + 1


def settled(matches: NDArray[np.bool_]) -> Exits:
    """The shallowest layer from which on every layer gives the full model's token: tokens × L → tokens, in 1..L."""
    contradicted = ~matches[:, ::-1]
    # Walking back from the last layer, the first contradiction ends the settled stretch.
    stretch = np.where(contradicted.any(axis=1), contradicted.argmax(axis=1), matches.shape[1])
    return matches.shape[1] - stretch + 1


def similar_enough(similarity: NDArray[np.floating], tau: float) -> Exits:
    """τ-oracle, the shallowest layer whose similarity to the last is at least τ: tokens × L → tokens, in 1..L.

    Raises:
        ValueError: tau is outside [−1, 1].
    """
    if not -1 <= tau <= 1:
        raise ValueError(f"tau must be in [-1, 1], not {tau}")
    # In the type of the similarity, where 9 of 10 is not below 0.9.
    enough = similarity >= similarity.dtype.type(tau)
    enough[:, -1] = True
    return first_match(enough)


def with_halves(
    matches: NDArray[np.bool_], half_matches: NDArray[np.int8]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """All exits in the order of the computation: behind the mixer of layer 1, layer 1, behind the mixer of layer 2, …

    Args:
        matches: tokens × L.
        half_matches: tokens × L, behind the mixer of each layer; -1 where the layer has no two halves.

    Returns:
        Depth of each exit in layers, ℓ − ½ or ℓ, and tokens × exits, whether it gives the full model's token.
    """
    has_half = (half_matches >= 0).all(axis=0)
    is_exit = np.stack([has_half, np.ones_like(has_half)], axis=1).reshape(-1)
    both = np.stack([half_matches == 1, matches], axis=2).reshape(len(matches), -1)
    return (np.arange(1, len(is_exit) + 1) / 2)[is_exit], both[:, is_exit]


def skip_ratio(exits: NDArray[np.integer | np.floating], num_layers: int) -> NDArray[np.float64]:
    """Share of the layers a token could have skipped, (L − ℓ)/L: tokens. ℓ is in layers, halves included."""
    return (num_layers - exits) / num_layers


def agreement(matches: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of the tokens on which a layer gives the full model's token: L."""
    return matches.mean(axis=0)


def agreement_at(exits: Exits, matches: NDArray[np.bool_]) -> float:
    """Share of the tokens whose own exit gives the full model's token."""
    return float(np.take_along_axis(matches, exits[:, None] - 1, axis=1).mean())


def exit_share(exits: Exits, num_layers: int) -> NDArray[np.float64]:
    """Share of the tokens that exit at each layer: L, sums to 1."""
    return np.bincount(exits - 1, minlength=num_layers) / len(exits)


def tie_rate(margin: NDArray[np.floating]) -> float:
    """Share of the tokens whose two largest full-model logits are equal, from the difference of the two: tokens."""
    return float((margin == 0).mean())
