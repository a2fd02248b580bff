"""One line a threshold: all that a gate can do."""

import numpy as np
import pandas as pd

from benchmark.metrics.gates.curve import curve
from benchmark.metrics.gates.gate import Gate
from benchmark.metrics.gates.judged import bytes_by_exit
from benchmark.metrics.gates.seen import Seen
from benchmark.trace.costs import Costs


def gate_curve(gate: Gate, seen: Seen, costs: Costs | None) -> pd.DataFrame:
    """Return the curve of a gate on the tokens that it is fitted to, if it needs fitting.

    Args:
        gate: any.
        seen: the signals at the layers where it looks.
        costs: what a token costs; without, there are no speeds.

    Returns:
        `threshold`, λ, falling, infinite where no token leaves; `skip_ratio`; `agreement`; `speed`, NaN where it is not
        known.
    """
    tokens, layers = seen.matches.shape[0], seen.num_layers
    depth = np.append(seen.looks, layers).astype(np.float64)
    read = np.full(len(depth), np.nan) if costs is None else bytes_by_exit(gate.head, seen.looks, costs)
    found = curve(gate.fitted(seen).score(seen), seen.matches, np.stack([depth, read], axis=1))
    mean = found.sums / tokens
    return pd.DataFrame(
        {
            "threshold": found.thresholds,
            "skip_ratio": (layers - mean[:, 0]) / layers,
            "agreement": found.right / tokens,
            "speed": (costs.token_bytes if costs else np.nan) / mean[:, 1],
        }
    )
