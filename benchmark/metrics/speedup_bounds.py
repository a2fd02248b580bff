"""Upper bounds of the speedup an early exit can give: three steps of one bound. A bound is never a measured speedup.

Costs are what one decoded token costs at batch 1, in bytes of parameters read (or in FLOPs; any unit, as long as it is
the same), from `benchmark.trace.costs`. All functions take `exits`: tokens, layers in 1..L.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def speedup_bound_layers(exits: NDArray[np.int64], num_layers: int) -> float:
    """L / mean exit layer: counts layers only, and charges neither the output head nor the KV cache."""
    return float(num_layers / np.mean(exits))


def speedup_bound_head(exits: NDArray[np.int64], layers: Sequence[float], other: float) -> float:
    """Cost of full decoding / mean cost of early decoding, with embedding and output head in both.

    Args:
        exits: tokens.
        layers: L, the cost of each layer.
        other: cost of embedding, head and whatever else runs for every token.
    """
    return float((other + np.cumsum(layers)[-1]) / np.mean(early_costs(exits, layers, other)))


def speedup_bound_kv(exits: NDArray[np.int64], layers: Sequence[float], owed: Sequence[float], other: float) -> float:
    """The same, with what the skipped layers still owe their cache added to early decoding.

    Args:
        exits: tokens.
        layers: L, the cost of each layer.
        owed: L, the part of it that the layer's cache needs even if the layer is skipped.
        other: cost of embedding, head and whatever else runs for every token.
    """
    return float((other + np.cumsum(layers)[-1]) / np.mean(early_costs(exits, layers, other, owed)))


def early_costs(
    exits: NDArray[np.int64], layers: Sequence[float], other: float, owed: Sequence[float] | None = None
) -> NDArray[np.float64]:
    """Return the cost of each token: of the layers up to its exit, of all else, and of what deeper layers are owed.

    Args:
        exits: tokens.
        layers: L, the cost of each layer.
        other: cost of embedding, head and whatever else runs for every token.
        owed: L, the part of it that the layer's cache needs even if the layer is skipped; None to charge none.
    """
    early = other + np.cumsum(layers)[exits - 1]
    if owed is None:
        return early
    upto = np.cumsum(owed)
    return early + upto[-1] - upto[exits - 1]
