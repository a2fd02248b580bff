"""All columns that a trace gives, at settings which any test can live with; and those of one experiment, as a dict."""

from collections.abc import Sequence
from typing import Any

from benchmark.metrics.experiments import EXPERIMENTS, score
from benchmark.metrics.experiments.bounds import BOUNDS
from benchmark.metrics.experiments.exits import EXITS
from benchmark.metrics.experiments.halves import HALVES
from benchmark.metrics.experiments.layers import LAYERS
from benchmark.metrics.experiments.suitability import SUITABILITY
from benchmark.metrics.experiments.words import WORDS
from benchmark.metrics.scoring import Scoring
from benchmark.results.row import Row
from benchmark.trace.costs import Costs, LayerCost, cost_columns
from benchmark.trace.record import Trace

TAU = (-0.5, 0.5, 0.9, 1.0)
JUDGED = {name for name in Row.model_fields if name.startswith(("speedup_speculation", "gate_"))}
"""Columns for which one half of the prompts judges what the other has chosen."""
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
        vocab_size=4,
    )


def all_columns(trace: Trace, costs: Costs | None = None) -> dict[str, Any]:
    costs = costs or costs_of(trace.num_layers)
    scoring = Scoring(0.5, TAU, 0)
    return {"tau": list(TAU), **score(trace, scoring, costs), **cost_columns(costs)}


def all_but_gates(trace: Trace, costs: Costs | None = None) -> dict[str, Any]:
    """The same without the gates, which take longer than all others, and have laws of their own."""
    costs = costs or costs_of(trace.num_layers)
    others = [experiment for experiment in EXPERIMENTS if experiment.name != "gates"]
    return {"tau": list(TAU), **score(trace, Scoring(0.5, TAU, 0), costs, others), **cost_columns(costs)}


def exit_columns(trace: Trace, seed: int) -> dict[str, Any]:
    return EXITS.of(trace, Scoring(seed=seed), None).model_dump()


def suitability_columns(trace: Trace, alpha: float, seed: int, tau: Sequence[float]) -> dict[str, Any]:
    return SUITABILITY.of(trace, Scoring(alpha, tuple(tau), seed), None).model_dump()


def bound_columns(trace: Trace, costs: Costs | None) -> dict[str, Any]:
    return BOUNDS.of(trace, Scoring(), costs).model_dump()


def layer_columns(trace: Trace) -> dict[str, Any]:
    return LAYERS.of(trace, Scoring(), None).model_dump()


def word_columns(trace: Trace) -> dict[str, Any]:
    return WORDS.of(trace, Scoring(), None).model_dump()


def half_columns(trace: Trace, seed: int) -> dict[str, Any]:
    return HALVES.of(trace, Scoring(seed=seed), None).model_dump()
