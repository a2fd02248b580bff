"""EAS and the τ-oracle: how early do the layers approach the last one, and does that predict the token?"""

from typing import Annotated, Any

import numpy as np

from benchmark.metrics.column_types import Column, Columns, Cosines, Share, Shares
from benchmark.metrics.eas import eas, eas_max, eas_of_curves
from benchmark.metrics.exits import agreement_at, similar_enough, skip_ratio
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.statistics.bins import mean_of_layers
from benchmark.metrics.statistics.bootstrap import interval_columns
from benchmark.trace.costs import Costs
from benchmark.trace.record import Trace

_EAS = {"logit": "eas", "logit_raw": "eas_raw", "hidden": "eas_hidden", "topk": "eas_topk"}
"""The score of each similarity."""


class SuitabilityColumns(Columns):
    """Scores and curves of similarity, and the exits that a threshold on it gives: lists over the grid `tau`."""

    eas: Annotated[float | None, Column(low=0, high=1, title="EAS", headline=True, mean="interval")] = None
    """Early-exit Adaptability Score of the centred logit similarity."""
    eas_ci_low: Share = None
    """Lower end of its 95 % bootstrap interval over prompts."""
    eas_ci_high: Share = None
    """Upper end of the same."""
    eas_raw: Annotated[float | None, Column(low=0, high=1, mean="arithmetic")] = None
    """The same of the logit similarity without centring."""
    eas_hidden: Annotated[float | None, Column(low=0, high=1, mean="arithmetic")] = None
    """The same of the similarity of states after the final norm."""
    eas_topk: Annotated[float | None, Column(low=0, high=1, mean="arithmetic")] = None
    """The same of the overlap of the K most likely tokens."""
    eas_normalized: Annotated[float | None, Column(low=0, high=1, mean="arithmetic")] = None
    """`eas` over its largest value for this L and alpha."""
    similarity_logit: Cosines = None
    """Mean cosine to the last layer's logits, each vector centred on its mean over the vocabulary."""
    similarity_logit_raw: Cosines = None
    """The same without centring."""
    similarity_hidden: Cosines = None
    """Mean cosine to the last layer's state after the final norm."""
    similarity_topk: Shares = None
    """Mean share of the K most likely tokens in common with the last layer."""
    tau_skip_ratio_logit: Shares = None
    """Mean skip ratio at each τ, by `similarity_logit`."""
    tau_agreement_logit: Shares = None
    """Share of tokens on which that exit has the full model's token."""
    tau_skip_ratio_logit_raw: Shares = None
    """The same by `similarity_logit_raw`."""
    tau_agreement_logit_raw: Shares = None
    """The same by `similarity_logit_raw`."""
    tau_skip_ratio_hidden: Shares = None
    """The same by `similarity_hidden`."""
    tau_agreement_hidden: Shares = None
    """The same by `similarity_hidden`."""
    tau_skip_ratio_topk: Shares = None
    """The same by `similarity_topk`, of the sample."""
    tau_agreement_topk: Shares = None
    """The same by `similarity_topk`, of the sample."""


def suitability_columns(trace: Trace, scoring: Scoring, costs: Costs | None) -> SuitabilityColumns:
    """Return how similar each layer is to the last, the scores of these curves, and exits by a threshold on them.

    Args:
        trace: of at least one token. A similarity that is NaN was not observed; its columns are None.
        scoring: has alpha, tau and the seed of the bootstrap draws.
        costs: not needed.
    """
    columns: dict[str, Any] = {}
    for name, score in _EAS.items():
        similarity = getattr(trace, f"similarity_{name}")
        matches = trace.matches[trace.sampled] if name == "topk" else trace.matches
        curve = mean_of_layers(similarity)
        if curve is not None:
            exits = [similar_enough(similarity, threshold) for threshold in scoring.tau]
            columns |= {
                f"similarity_{name}": curve,
                score: eas(np.array(curve), scoring.alpha),
                f"tau_skip_ratio_{name}": [float(skip_ratio(some, trace.num_layers).mean()) for some in exits],
                f"tau_agreement_{name}": [agreement_at(some, matches) for some in exits],
            }
    if "eas" in columns:
        highest = eas_max(scoring.alpha, trace.num_layers)
        columns["eas_normalized"] = columns["eas"] / highest if highest > 0 else None
        columns |= interval_columns(
            "eas",
            trace.similarity_logit,
            trace.prompt,
            scoring.seed,
            lambda curves: eas_of_curves(curves, scoring.alpha),
        )
    return SuitabilityColumns(**columns)


SUITABILITY = Experiment("suitability", SuitabilityColumns, suitability_columns)
