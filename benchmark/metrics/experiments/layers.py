"""Layer by layer: how sure is it, how far from the full model's distribution, and where does it rank the token?"""

from typing import Annotated

from benchmark.metrics.bins import mean_of_layers
from benchmark.metrics.column_types import Column, Columns, Nats
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.scoring import Scoring
from benchmark.trace.costs import Costs
from benchmark.trace.record import Trace


class LayerColumns(Columns):
    """Means over the sample, L each."""

    entropy_nats: Nats = None
    """Mean entropy of the layer's distribution over the vocabulary."""
    kl_nats: Nats = None
    """Mean KL(softmax(z_L) ‖ softmax(z_ℓ)), of the full model's distribution from the layer's."""
    target_rank: Annotated[list[float] | None, Column(low=1, high="vocab_size")] = None
    """Mean rank of the full model's token among the layer's logits, from 1."""
    margin: Annotated[list[float] | None, Column(low=0)] = None
    """Mean of largest minus second largest logit."""


def layer_columns(trace: Trace, scoring: Scoring, costs: Costs | None) -> LayerColumns:
    """Return what each layer's distribution over the vocabulary is like; null where the sample is empty.

    Args:
        trace: of at least one token.
        scoring: not needed.
        costs: not needed.
    """
    return LayerColumns(
        entropy_nats=mean_of_layers(trace.entropy),
        kl_nats=mean_of_layers(trace.kl),
        target_rank=mean_of_layers(trace.rank),
        margin=mean_of_layers(trace.layer_margin),
    )


LAYERS = Experiment("layers", LayerColumns, layer_columns)
