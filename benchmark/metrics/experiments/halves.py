"""Halves of layers: is the token there already behind the attention, before the MLP?"""

from typing import Annotated

from benchmark.metrics.column_types import Column, Columns, Share
from benchmark.metrics.exits import first_match, settled, skip_ratio, with_halves
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.statistics.bootstrap import interval_columns
from benchmark.trace.costs import Costs
from benchmark.trace.record import Trace


class HalfColumns(Columns):
    """Exits also between the mixer and the MLP of each layer, of the sample. Exit k of 2L lies behind k/2 layers."""

    half_exit_mean: Annotated[
        float | None, Column(low=0.5, high="num_layers", unit="layers", digits=2, counted=True)
    ] = None
    """Mean first-match exit among both kinds, in layers: ℓ − ½ behind the mixer of layer ℓ, ℓ behind all of it."""
    half_exit_settled_mean: Annotated[
        float | None, Column(low=0.5, high="num_layers", unit="layers", digits=2, counted=True)
    ] = None
    """Mean settled exit among both kinds, in layers."""
    half_skip_ratio: Annotated[float | None, Column(low=0, high=1, mean="arithmetic", counted=True)] = None
    """Mean of (L − exit)/L."""
    half_skip_ratio_ci_low: Share = None
    """Lower end of its interval."""
    half_skip_ratio_ci_high: Share = None
    """Upper end of its interval."""
    half_skip_ratio_settled: Annotated[float | None, Column(low=0, high=1, counted=True)] = None
    """Mean of (L − exit)/L of the settled exit."""
    half_skip_ratio_layers: Annotated[float | None, Column(low=0, high=1, counted=True)] = None
    """`skip_ratio` of the same tokens with whole layers only, to compare with."""
    half_agreement: Annotated[list[float | None] | None, Column(low=0, high=1, counted=True)] = None
    """L: share of tokens on which the state behind the layer's mixer gives the full model's token; null where the layer
    has no two halves."""
    half_exit_share: Annotated[list[float | None] | None, Column(low=0, high=1, counted=True)] = None
    """L: share of tokens whose first match is there."""


def half_columns(trace: Trace, scoring: Scoring, costs: Costs | None) -> HalfColumns:
    """Return exits also behind the mixer of each layer, of the sample; all null without sample or halves.

    Args:
        trace: of at least one token.
        scoring: has the seed of the bootstrap draws.
        costs: not needed.
    """
    if not (trace.half_matches >= 0).any():
        return HalfColumns()
    layers, halves = trace.num_layers, trace.half_matches
    matches, prompt = trace.matches[trace.sampled], trace.prompt[trace.sampled]
    depth, both = with_halves(matches, halves)
    first, last = depth[first_match(both) - 1], depth[settled(both) - 1]
    skipped = skip_ratio(first, layers)
    has_half = [layer - 0.5 in depth for layer in range(1, layers + 1)]
    return HalfColumns(
        half_exit_mean=float(first.mean()),
        half_exit_settled_mean=float(last.mean()),
        half_skip_ratio=float(skipped.mean()),
        **interval_columns("half_skip_ratio", skipped, prompt, scoring.seed),
        half_skip_ratio_settled=float(skip_ratio(last, layers).mean()),
        half_skip_ratio_layers=float(skip_ratio(first_match(matches), layers).mean()),
        half_agreement=[float(halves[:, layer].mean()) if has else None for layer, has in enumerate(has_half)],
        half_exit_share=[float((first == layer + 0.5).mean()) if has else None for layer, has in enumerate(has_half)],
    )


HALVES = Experiment("halves", HalfColumns, half_columns)
