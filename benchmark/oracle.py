"""Oracle exits of each token, and the skip ratios that follow from them. Layers count from 1 to L."""

import numpy as np
from numpy.typing import NDArray

from benchmark.trace import Trace

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


def skip_ratio(exits: Exits, num_layers: int) -> NDArray[np.float64]:
    """Share of the layers a token could have skipped, (L − ℓ)/L: tokens."""
    return (num_layers - exits) / num_layers


def agreement(matches: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of the tokens on which a layer gives the full model's token: L."""
    return matches.mean(axis=0)


def exit_share(exits: Exits, num_layers: int) -> NDArray[np.float64]:
    """Share of the tokens that exit at each layer: L, sums to 1."""
    return np.bincount(exits - 1, minlength=num_layers) / len(exits)


def chance_skip_ratio(trace: Trace) -> float:
    """Mean skip ratio when the full model's tokens are shuffled across the positions of the case.

    This is the expectation over all shuffles, not one draw: a token v stands at a given position with the probability
    of its share in the text, and then exits at the first layer that predicts v there (or at L, which skips nothing).
    """
    vocabulary, counts = np.unique(trace.targets, return_counts=True)
    share = dict(zip(vocabulary.tolist(), (counts / trace.num_tokens).tolist(), strict=True))
    weights = np.arange(trace.num_layers - 1, -1, -1) / trace.num_layers
    total = 0.0
    for row in trace.predictions:
        seen, first = np.unique(row, return_index=True)
        total += sum(share.get(token, 0.0) * weights[layer] for token, layer in zip(seen.tolist(), first, strict=True))
    return total / trace.num_tokens


def tie_rate(trace: Trace) -> float:
    """Share of the tokens whose two largest full-model logits are equal."""
    return float((trace.margin == 0).mean())
