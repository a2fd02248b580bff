"""Where tokens really left, how often a gate looked for it, and what that saves."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.column_types import Column
from benchmark.metrics.exits import exit_share, skip_ratio
from benchmark.metrics.experiments.exits import SkipColumns
from benchmark.metrics.gates.judged import bytes_by_exit
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.statistics.bootstrap import ONE_PROMPT, interval_columns
from benchmark.trace.costs import Costs
from benchmark.trace.decoded import Decoded, Gated

PerToken = Annotated[float | None, Column(low=0, digits=2, mean="arithmetic", counted=True)]


class LeavingColumns(SkipColumns):
    """Exits of a text that goes on from what they say, and their price.

    The first token of a text comes from the prefill, which runs all layers; it counts as an exit at the last.
    """

    looks_per_token: PerToken = None
    """Layers at which the gate looked, a token."""
    heads_per_token: PerToken = None
    """Times that the output head ran, a token."""
    speedup_gated: Annotated[float | None, Column(low=0, title="gated", digits=2, mean="harmonic")] = None
    """Bytes of the full model / mean bytes a token, looks and policy paid: `propagate` pays what skipped layers owe
    their cache; `recompute` catches up where a later token reads the same weights, `copy` computes nothing. Null where
    it is not known what they owe. A prediction, not measured."""
    speedup_gated_ci_low: Annotated[float | None, Column(low=0)] = None
    """Lower end of its interval."""
    speedup_gated_ci_high: Annotated[float | None, Column(low=0)] = None
    """Upper end of the same."""


def leaving_columns(decoded: Decoded, scoring: Scoring, costs: Costs | None) -> dict[str, Any]:
    """Return the columns of `LeavingColumns`.

    Args:
        decoded: with at least one token that was written with early exits.
        scoring: has the seed of the bootstrap draws.
        costs: what a token costs; None where that is not known.
    """
    gated, texts = decoded.gated, decoded.of(full=False)
    exits = texts.exit_layer.astype(np.int64)
    skipped = skip_ratio(exits, gated.num_layers)
    looks, heads = _looks(gated, exits, texts.position)
    columns = {
        "exit_layer_mean": float(exits.mean()),
        "skip_ratio": float(skipped.mean()),
        **interval_columns("skip_ratio", skipped, texts.prompt, scoring.seed),
        "interval_missing": ONE_PROMPT if len(np.unique(texts.prompt)) == 1 else None,
        "exit_share": exit_share(exits, gated.num_layers).tolist(),
        "looks_per_token": float(looks.mean()),
        "heads_per_token": float(heads.mean()),
    }
    read = None if costs is None else _read(gated, exits, texts.position, costs)
    if read is None or costs is None:
        return columns
    full = costs.token_bytes
    return columns | {
        "speedup_gated": float(full / read.mean()),
        **interval_columns("speedup_gated", read, texts.prompt, scoring.seed, lambda means: full / means[:, 0]),
    }


def _looks(
    gated: Gated, exits: NDArray[np.int64], position: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how often the gate looked at each token, and how often the head ran for it."""
    layers = np.array(gated.looks, np.int64)
    looks = np.where(position == 0, 0, np.searchsorted(layers, exits, side="right"))
    if not gated.head:
        return looks, np.ones_like(looks)
    # The look at which a token leaves has run the head.
    return looks, looks + (exits == gated.num_layers)


def _read(
    gated: Gated, exits: NDArray[np.int64], position: NDArray[np.int32], costs: Costs
) -> NDArray[np.float64] | None:
    """Return the bytes read for each token; None where it is not known what skipped layers owe."""
    layers = np.array(gated.looks, np.int64)
    by_exit = bytes_by_exit(gated.head, layers, costs)
    owed = [layer.owed_bytes for layer in costs.layers]
    above = np.zeros(gated.num_layers + 1)
    if gated.policy == "propagate":
        if any(part is None for part in owed):
            return None
        above = np.append(np.cumsum(np.array(owed, np.float64)[::-1])[::-1], 0.0)
    read = by_exit[np.searchsorted(layers, exits)] + above[exits]
    return np.where(position == 0, costs.token_bytes, read)
