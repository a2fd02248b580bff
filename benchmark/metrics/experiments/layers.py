"""Layer by layer: how sure is it, how far from the full model's distribution, and where does it rank the token?"""

from typing import Annotated

from benchmark.metrics.column_types import Column, Columns, Nats, Shares
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.statistics.bins import mean_of_layers
from benchmark.trace.costs import Costs
from benchmark.trace.record import Trace


class LayerColumns(Columns):
    """Means over tokens, L each: over those whose signals are known where nothing else is said."""

    entropy_nats: Nats = None
    """Mean entropy of the layer's distribution over the vocabulary."""
    max_prob: Shares = None
    """Mean of the largest probability of that distribution."""
    prob_margin: Shares = None
    """Mean of the largest minus the second largest."""
    similarity_previous: Annotated[list[float | None] | None, Column(low=-1, high=1)] = None
    """Mean cosine of the layer's output to that of the layer before, of all tokens; null for the first layer."""
    kl_nats: Nats = None
    """Mean KL(softmax(z_L) ‖ softmax(z_ℓ)), of the full model's distribution from the layer's, over the sample."""
    target_rank: Annotated[list[float] | None, Column(low=1, high="vocab_size")] = None
    """Mean rank of the full model's token among the layer's logits, from 1, over the sample."""
    margin: Annotated[list[float] | None, Column(low=0)] = None
    """Mean of largest minus second largest logit, over the sample."""


def layer_columns(trace: Trace, scoring: Scoring, costs: Costs | None) -> LayerColumns:
    """Return what each layer's distribution over the vocabulary is like; null where no token is known.

    Args:
        trace: of at least one token.
        scoring: not needed.
        costs: not needed.
    """
    return LayerColumns(
        entropy_nats=mean_of_layers(trace.entropy),
        max_prob=mean_of_layers(trace.max_prob),
        prob_margin=mean_of_layers(trace.prob_margin),
        similarity_previous=[None, *(mean_of_layers(trace.similarity_previous[:, 1:]) or [])],
        kl_nats=mean_of_layers(trace.kl),
        target_rank=mean_of_layers(trace.rank),
        margin=mean_of_layers(trace.layer_margin),
    )


LAYERS = Experiment("layers", LayerColumns, layer_columns)
