"""All columns that a trace gives, at settings which any test can live with."""

from typing import Any

from benchmark.metrics.columns import (
    bound_columns,
    exit_columns,
    half_columns,
    layer_columns,
    suitability_columns,
    word_columns,
)
from benchmark.results.row import Row
from benchmark.trace.costs import Costs, LayerCost, cost_columns
from benchmark.trace.record import Trace

TAU = (-0.5, 0.5, 0.9, 1.0)
INTERVALS = {name for name in Row.model_fields if "_ci_" in name}


def costs_of(layers: int, owed: bool = True) -> Costs:
    """The first layer attends, the others have experts too; layers differ in cost."""
    return Costs(
        layers=tuple(
            LayerCost("attention", experts, 100 + layer, 50 + layer, 20 if owed else None, 10 if owed else None)
            for layer, experts in enumerate([False] + [True] * (layers - 1))
        ),
        head_bytes=300,
        head_flops=150,
        embedding_bytes=7,
        embedding_flops=0,
        parameters=1000,
        active_parameters=900,
    )


def all_columns(trace: Trace, costs: Costs | None = None) -> dict[str, Any]:
    costs = costs or costs_of(trace.num_layers)
    return {
        **exit_columns(trace, seed=0),
        **suitability_columns(trace, alpha=0.5, seed=0, tau=TAU),
        **layer_columns(trace),
        **word_columns(trace),
        **half_columns(trace, seed=0),
        **bound_columns(trace, costs),
        **cost_columns(costs),
    }
