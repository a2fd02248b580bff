"""From a trace to the result columns of a row; pure, so stored traces give the same numbers without a model."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.bounds import speedup_bound_head, speedup_bound_kv, speedup_bound_layers
from benchmark.costs import Costs
from benchmark.oracle import agreement, chance_skip_ratio, exit_share, first_match, settled, skip_ratio, tie_rate
from benchmark.statistics import bootstrap_interval
from benchmark.suitability import eas, eas_max
from benchmark.trace import Trace

_SIMILARITIES = {
    "similarity_logit": "eas",
    "similarity_logit_raw": "eas_raw",
    "similarity_hidden": "eas_hidden",
    "similarity_topk": "eas_topk",
}


def result_columns(trace: Trace, alpha: float, seed: int, costs: Costs | None = None) -> dict[str, Any]:
    """Result columns and per-layer columns of a case, by the names of `benchmark.row.Row`.

    Args:
        trace: of at least one token.
        alpha: weight of similarity against depth in EAS, in [0, 1].
        seed: of the bootstrap draws.
        costs: what a token costs in each layer; without, the bounds that need it are null.
    """
    layers, matches = trace.num_layers, trace.matches
    first, last = first_match(matches), settled(matches)
    skipped = skip_ratio(first, layers)
    interval = bootstrap_interval(skipped, trace.prompt, seed)
    columns: dict[str, Any] = {
        "exit_layer_mean": float(first.mean()),
        "exit_layer_settled_mean": float(last.mean()),
        "skip_ratio": float(skipped.mean()),
        "skip_ratio_ci_low": interval[0] if interval else None,
        "skip_ratio_ci_high": interval[1] if interval else None,
        "skip_ratio_settled": float(skip_ratio(last, layers).mean()),
        "skip_ratio_chance": chance_skip_ratio(trace),
        "speedup_bound_layers": speedup_bound_layers(first, layers),
        "tie_rate": tie_rate(trace),
        "agreement": agreement(matches).tolist(),
        "exit_share": exit_share(first, layers).tolist(),
        "similarity_topk_tokens": trace.num_tokens,
    }
    for similarity, score in _SIMILARITIES.items():
        curve = getattr(trace, similarity).astype(np.float64).mean(axis=0)
        measured = not np.isnan(curve).any()
        columns[similarity] = curve.tolist() if measured else None
        columns[score] = eas(curve, alpha) if measured else None
    columns |= _cost_columns(first, costs) if costs is not None else {}
    highest = eas_max(alpha, layers)
    columns["eas_normalized"] = columns["eas"] / highest if highest > 0 else None
    return columns


def _cost_columns(exits: NDArray[np.int64], costs: Costs) -> dict[str, Any]:
    layer_bytes = [layer.weight_bytes for layer in costs.layers]
    owed_bytes = [layer.owed_bytes for layer in costs.layers if layer.owed_bytes is not None]
    owed_flops = [layer.owed_flops for layer in costs.layers if layer.owed_flops is not None]
    other = costs.head_bytes + costs.embedding_bytes
    observed = len(owed_bytes) == len(layer_bytes)
    return {
        "speedup_bound_head": speedup_bound_head(exits, layer_bytes, other),
        "speedup_bound_kv": speedup_bound_kv(exits, layer_bytes, owed_bytes, other) if observed else None,
        "layer_kind": [layer.kind for layer in costs.layers],
        "layer_bytes": layer_bytes,
        "layer_flops": [layer.flops for layer in costs.layers],
        "layer_owed_bytes": owed_bytes if observed else None,
        "layer_owed_flops": owed_flops if observed else None,
        "head_bytes": costs.head_bytes,
        "head_flops": costs.head_flops,
        "embedding_bytes": costs.embedding_bytes,
        "embedding_flops": costs.embedding_flops,
    }
