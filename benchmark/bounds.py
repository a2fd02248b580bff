"""Upper bounds of the speedup an early exit can give. A bound is never a measured speedup."""

import numpy as np
from numpy.typing import NDArray


def speedup_bound_layers(exits: NDArray[np.int64], num_layers: int) -> float:
    """L / mean exit layer: counts layers only, and charges neither the output head nor the KV cache."""
    return float(num_layers / np.mean(exits))
