"""Oracle exits: how many layers could each token have skipped, with a perfect exit rule?"""

from typing import Annotated, Any

import numpy as np

from benchmark.metrics.column_types import Column, Columns, Share, Shares
from benchmark.metrics.exits import agreement, exit_share, first_match, settled, skip_ratio, tie_rate
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.statistics.bootstrap import ONE_PROMPT, interval_columns
from benchmark.metrics.statistics.chance import chance_agreement, chance_skip_ratio
from benchmark.trace.costs import Costs
from benchmark.trace.record import GivenTrace, Trace, WrittenTrace


class SkipColumns(Columns):
    """Exits, and what they skip, whatever decides about them."""

    exit_layer_mean: Annotated[
        float | None,
        Column(
            low=1,
            high="num_layers",
            unit="layers",
            title="exit",
            headline=True,
            digits=2,
            mean="arithmetic",
            counted=True,
        ),
    ] = None
    """Mean exit: of the oracle the first match, the shallowest layer with the full model's token; where tokens really
    leave early, the layer that they left at."""
    skip_ratio: Annotated[
        float | None, Column(low=0, high=1, title="skip ratio", headline=True, mean="interval", counted=True)
    ] = None
    """Mean of (L − ℓ)/L over all tokens, ℓ the exit."""
    skip_ratio_ci_low: Share = None
    """Lower end of the 95 % bootstrap interval of `skip_ratio`, over prompts; null with one prompt."""
    skip_ratio_ci_high: Share = None
    """Upper end of the same."""
    interval_missing: str | None = None
    """Why there are no intervals, in a sentence; null where there are."""
    exit_share: Annotated[list[float] | None, Column(low=0, high=1, counted=True)] = None
    """Share of tokens whose exit the layer is; sums to 1."""


class ExitColumns(SkipColumns):
    """First-match and settled exits, and what they skip."""

    exit_layer_settled_mean: Annotated[
        float | None,
        Column(
            low=1,
            high="num_layers",
            unit="layers",
            title="settled",
            headline=True,
            digits=2,
            mean="arithmetic",
            counted=True,
        ),
    ] = None
    """Mean settled exit: the shallowest layer from which on every layer has the full model's token."""
    skip_ratio_settled: Annotated[float | None, Column(low=0, high=1, mean="interval", counted=True)] = None
    """Mean of (L − ℓ)/L, ℓ the settled exit."""
    skip_ratio_settled_ci_low: Share = None
    """Lower end of its interval."""
    skip_ratio_settled_ci_high: Share = None
    """Upper end of its interval."""
    skip_ratio_chance: Annotated[
        float | None, Column(low=0, high=1, title="chance", headline=True, mean="arithmetic")
    ] = None
    """`skip_ratio` expected when the full model's tokens are shuffled across the positions of the case: the mean over
    all shuffles, at the positions of the sample."""
    hesitation_layers_mean: Annotated[
        float | None,
        Column(low=0, high="num_layers", unit="layers", title="hesitation", digits=2, mean="arithmetic", counted=True),
    ] = None
    """Mean of settled − first-match exit, in layers."""
    contradicted_share: Annotated[float | None, Column(low=0, high=1, mean="arithmetic", counted=True)] = None
    """Share of tokens whose first match is later contradicted: some deeper layer gives another token."""
    tie_rate: Annotated[float | None, Column(low=0, high=1, mean="arithmetic", counted=True)] = None
    """Share of tokens whose two largest full-model logits are equal."""
    not_argmax_share: Annotated[float | None, Column(low=0, high=1, counted=True)] = None
    """Share of the tokens in the text that are not the full model's, which exits are held against all the same: of
    given texts, and of those that the model wrote before they were read, where rounding lies between the two; null
    where the model wrote the text itself, and all are its own."""
    agreement: Annotated[list[float] | None, Column(low=0, high=1, counted=True)] = None
    """Share of tokens on which the layer has the full model's token."""
    agreement_chance: Shares = None
    """`agreement` expected when the full model's tokens are shuffled, as for `skip_ratio_chance`."""
    settled_share: Annotated[list[float] | None, Column(low=0, high=1, counted=True)] = None
    """Share of tokens whose settled exit the layer is; sums to 1."""


def exit_columns(trace: Trace, scoring: Scoring, costs: Costs | None) -> ExitColumns:
    """Return first-match and settled exits, how much they skip, and what that is worth by chance.

    Args:
        trace: of at least one token.
        scoring: has the seed of the bootstrap draws.
        costs: not needed.
    """
    layers = trace.num_layers
    first, last = first_match(trace.matches), settled(trace.matches)
    skipped, skipped_settled = skip_ratio(first, layers), skip_ratio(last, layers)
    return ExitColumns(
        exit_layer_mean=float(first.mean()),
        exit_layer_settled_mean=float(last.mean()),
        skip_ratio=float(skipped.mean()),
        **interval_columns("skip_ratio", skipped, trace.prompt, scoring.seed),
        skip_ratio_settled=float(skipped_settled.mean()),
        **interval_columns("skip_ratio_settled", skipped_settled, trace.prompt, scoring.seed),
        interval_missing=_interval_missing(trace),
        **_by_chance(trace),
        hesitation_layers_mean=float((last - first).mean()),
        contradicted_share=float((last > first).mean()),
        tie_rate=tie_rate(trace.margin),
        not_argmax_share=_not_argmax_share(trace),
        agreement=agreement(trace.matches).tolist(),
        exit_share=exit_share(first, layers).tolist(),
        settled_share=exit_share(last, layers).tolist(),
    )


def _by_chance(trace: Trace) -> dict[str, Any]:
    """Return what is expected of shuffled tokens; nothing where no layer's tokens are known."""
    if not trace.signalled.any():
        return {}
    return {
        "skip_ratio_chance": chance_skip_ratio(trace.target, trace.predictions),
        "agreement_chance": chance_agreement(trace.target, trace.predictions).tolist(),
    }


def _not_argmax_share(trace: Trace) -> float | None:
    """Return the share of tokens that are not the full model's; None where the trace holds no other ones."""
    return float((trace.token != trace.target).mean()) if isinstance(trace, GivenTrace | WrittenTrace) else None


def _interval_missing(trace: Trace) -> str | None:
    """Why numbers of the case have no interval; the halves have none of their own if it is the sample that is small."""
    if len(np.unique(trace.prompt)) == 1:
        return ONE_PROMPT
    if (trace.half_matches >= 0).any() and len(np.unique(trace.prompt[trace.sampled])) == 1:
        return f"of half_skip_ratio: in the sample {ONE_PROMPT}"
    return None


EXITS = Experiment("exits", ExitColumns, exit_columns)
