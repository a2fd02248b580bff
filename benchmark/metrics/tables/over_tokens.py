"""Columns of the oracle study, each as a statistic of means over tokens, which is what a paired comparison draws."""

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.eas import eas_of_curves
from benchmark.metrics.exits import first_match, settled, skip_ratio
from benchmark.metrics.experiments import gates, speculation
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.speedup_bounds import early_costs
from benchmark.metrics.statistics.bootstrap import OverTokens, Statistic
from benchmark.trace.costs import Costs, cost_columns
from benchmark.trace.record import Trace


def over_tokens(trace: Trace, scoring: Scoring, costs: Costs | None) -> dict[str, OverTokens]:
    """Return columns of a row by name, each of which is the statistic of its means over all tokens.

    Columns that are null in a row are not there.

    Args:
        trace: of at least one token.
        scoring: has the alpha of EAS.
        costs: what a token costs; None where that is not known.
    """
    layers, prompt = trace.num_layers, trace.prompt
    first, last = first_match(trace.matches), settled(trace.matches)
    found = {
        "skip_ratio": OverTokens(skip_ratio(first, layers), prompt),
        "skip_ratio_settled": OverTokens(skip_ratio(last, layers), prompt),
    }
    if not np.isnan(trace.similarity_logit).any():
        found["eas"] = OverTokens(trace.similarity_logit, prompt, lambda means: eas_of_curves(means, scoring.alpha))
    found["speedup_bound_layers"] = OverTokens(first, prompt, _ratio_to(layers))
    if costs is not None:
        full = _ratio_to(costs.token_bytes)
        found |= {name: OverTokens(read, prompt, full) for name, read in _bytes_by_token(trace, costs).items()}
    ends = ~np.isnan(trace.score)
    if ends.any():
        found["score"] = OverTokens(trace.score[ends], prompt[ends])
    return found


def _ratio_to(full: float) -> Statistic:
    """The statistic that is what full decoding costs over the mean of what a token costs."""
    return lambda means: full / means[:, 0]


def _bytes_by_token(trace: Trace, costs: Costs) -> dict[str, NDArray[np.float64]]:
    """The bytes read for each token under each bound and rule."""
    cost = cost_columns(costs)
    layers, owed, other = cost["layer_bytes"], cost["layer_owed_bytes"], costs.head_bytes + costs.embedding_bytes
    first, last = first_match(trace.matches), settled(trace.matches)
    read = {"speedup_bound_head": early_costs(first, layers, other)}
    if owed is not None:
        read["speedup_bound_kv"] = early_costs(first, layers, other, owed)
        read["speedup_bound_settled"] = early_costs(last, layers, other, owed)
    read |= gates.bytes_by_token(trace, costs)
    if (drafted := speculation.bytes_by_token(trace, costs)) is not None:
        read["speedup_speculation"] = drafted
    return read
