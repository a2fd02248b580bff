"""Upper bounds of the speedup: layers alone, with the output head, with what skipped layers owe their cache."""

from typing import Annotated, Any

from benchmark.metrics.column_types import Column, Columns
from benchmark.metrics.exits import first_match, settled
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.speedup_bounds import speedup_bound_head, speedup_bound_kv, speedup_bound_layers
from benchmark.trace.costs import Costs, cost_columns
from benchmark.trace.record import Trace


class BoundColumns(Columns):
    """Cost of full decoding over mean cost of decoding that stops at each token's first match."""

    speedup_bound_layers: Annotated[
        float | None, Column(low=1, title="bound", headline=True, digits=2, mean="harmonic")
    ] = None
    """L / `exit_layer_mean`: an upper bound that counts layers only."""
    speedup_bound_head: Annotated[
        float | None, Column(low=1, title="+head", headline=True, digits=2, mean="harmonic")
    ] = None
    """Bytes of full decoding / mean bytes of early decoding, with the embedding and the output head in both."""
    speedup_bound_kv: Annotated[
        float | None, Column(low=1, title="+cache", headline=True, digits=2, mean="harmonic")
    ] = None
    """The same, also charging what skipped layers owe their cache."""
    speedup_bound_settled: Annotated[float | None, Column(low=1, digits=2, mean="harmonic")] = None
    """`speedup_bound_kv` of a rule that leaves only where no deeper layer disagrees: over the settled exits."""
    speedup_bound_head_flops: Annotated[float | None, Column(low=1, digits=2, mean="harmonic")] = None
    """`speedup_bound_head` in FLOPs instead of bytes."""
    speedup_bound_kv_flops: Annotated[float | None, Column(low=1, digits=2, mean="harmonic")] = None
    """`speedup_bound_kv` in FLOPs instead of bytes."""


def bound_columns(trace: Trace, scoring: Scoring, costs: Costs | None) -> BoundColumns:
    """Return upper bounds of the speedup, over the first-match exits and over the settled ones.

    Args:
        trace: of at least one token.
        scoring: not needed.
        costs: what a token costs; without, only the bound that counts layers is known.
    """
    exits = first_match(trace.matches)
    cost = cost_columns(costs)
    columns: dict[str, Any] = {"speedup_bound_layers": speedup_bound_layers(exits, trace.num_layers)}
    for unit, suffix in (("bytes", ""), ("flops", "_flops")):
        layers, owed = cost.get(f"layer_{unit}"), cost.get(f"layer_owed_{unit}")
        other = cost.get(f"head_{unit}", 0) + cost.get(f"embedding_{unit}", 0)
        columns[f"speedup_bound_head{suffix}"] = layers and speedup_bound_head(exits, layers, other)
        columns[f"speedup_bound_kv{suffix}"] = layers and owed and speedup_bound_kv(exits, layers, owed, other)
        if not suffix:
            last = settled(trace.matches)
            columns["speedup_bound_settled"] = layers and owed and speedup_bound_kv(last, layers, owed, other)
    return BoundColumns(**columns)


BOUNDS = Experiment("bounds", BoundColumns, bound_columns)
