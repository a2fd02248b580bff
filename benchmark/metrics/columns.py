"""From a trace to the columns of a row; pure, so that a stored trace gives the same numbers without a model.

Each function returns columns by their names in `benchmark.results.row.Row`, where they are documented, and raises
MeasurementError for a trace without tokens.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import MeasurementError
from benchmark.metrics.bins import doubling, group_means, mean
from benchmark.metrics.bootstrap import ONE_PROMPT, Statistic, bootstrap_interval, plain_mean
from benchmark.metrics.chance import chance_skip_ratio
from benchmark.metrics.eas import eas, eas_max, eas_of_curves
from benchmark.metrics.exits import (
    agreement,
    agreement_at,
    exit_share,
    first_match,
    settled,
    similar_enough,
    skip_ratio,
    tie_rate,
    with_halves,
)
from benchmark.metrics.speedup_bounds import speedup_bound_head, speedup_bound_kv, speedup_bound_layers
from benchmark.results.row import Row
from benchmark.trace.costs import Costs, cost_columns
from benchmark.trace.record import Trace

_EAS = {"logit": "eas", "logit_raw": "eas_raw", "hidden": "eas_hidden", "topk": "eas_topk"}
"""The score of each similarity."""
_LAST_WORD_POSITION = 7
"""This place in a word and all further ones are counted together."""


def exit_columns(trace: Trace, seed: int) -> dict[str, Any]:
    """First-match and settled exits, how much they skip, and what that is worth by chance.

    Args:
        trace: of at least one token.
        seed: of the bootstrap draws.
    """
    _refuse_empty(trace)
    layers = trace.num_layers
    first, last = first_match(trace.matches), settled(trace.matches)
    skipped, skipped_settled = skip_ratio(first, layers), skip_ratio(last, layers)
    return {
        "exit_layer_mean": float(first.mean()),
        "exit_layer_settled_mean": float(last.mean()),
        "skip_ratio": float(skipped.mean()),
        **_interval("skip_ratio", skipped, trace.prompt, seed),
        "skip_ratio_settled": float(skipped_settled.mean()),
        **_interval("skip_ratio_settled", skipped_settled, trace.prompt, seed),
        "interval_missing": _interval_missing(trace),
        "skip_ratio_chance": chance_skip_ratio(trace) if trace.sampled.any() else None,
        "hesitation_layers_mean": float((last - first).mean()),
        "contradicted_share": float((last > first).mean()),
        "tie_rate": tie_rate(trace.margin),
        "agreement": agreement(trace.matches).tolist(),
        "exit_share": exit_share(first, layers).tolist(),
        "settled_share": exit_share(last, layers).tolist(),
    }


def suitability_columns(trace: Trace, alpha: float, seed: int, tau: Sequence[float]) -> dict[str, Any]:
    """How similar each layer is to the last, the scores of these curves, and the exits a threshold on them gives.

    Args:
        trace: of at least one token. A similarity that is NaN was not observed; its columns are None.
        alpha: weight of similarity against depth in EAS, in [0, 1].
        seed: of the bootstrap draws.
        tau: thresholds of the τ-oracle, each in [−1, 1].

    Raises:
        ValueError: alpha or a tau is outside its range.
    """
    _refuse_empty(trace)
    columns: dict[str, Any] = {"tau": [float(threshold) for threshold in tau]}
    for name, score in _EAS.items():
        similarity = getattr(trace, f"similarity_{name}")
        matches = trace.matches[trace.sampled] if name == "topk" else trace.matches
        curve = _mean_of_layers(similarity)
        columns |= dict.fromkeys((f"similarity_{name}", score, f"tau_skip_ratio_{name}", f"tau_agreement_{name}"))
        if curve is not None:
            exits = [similar_enough(similarity, threshold) for threshold in tau]
            columns |= {
                f"similarity_{name}": curve,
                score: eas(np.array(curve), alpha),
                f"tau_skip_ratio_{name}": [float(skip_ratio(some, trace.num_layers).mean()) for some in exits],
                f"tau_agreement_{name}": [agreement_at(some, matches) for some in exits],
            }
    columns |= dict.fromkeys(("eas_normalized", "eas_ci_low", "eas_ci_high"))
    if columns["eas"] is not None:
        highest = eas_max(alpha, trace.num_layers)
        columns["eas_normalized"] = columns["eas"] / highest if highest > 0 else None
        columns |= _interval(
            "eas", trace.similarity_logit, trace.prompt, seed, lambda curves: eas_of_curves(curves, alpha)
        )
    return columns


def layer_columns(trace: Trace) -> dict[str, Any]:
    """What each layer's distribution over the vocabulary is like: means over the sample, None where it is empty."""
    _refuse_empty(trace)
    return {
        "entropy_nats": _mean_of_layers(trace.entropy),
        "kl_nats": _mean_of_layers(trace.kl),
        "target_rank": _mean_of_layers(trace.rank),
        "margin": _mean_of_layers(trace.layer_margin),
    }


def word_columns(trace: Trace) -> dict[str, Any]:
    """First-match exits by place in the word, by place in the text, and by how often the case has the token."""
    _refuse_empty(trace)
    exits, place = first_match(trace.matches), trace.word_position
    in_word = place >= 0
    by_place = group_means(exits[in_word], place[in_word], range(_LAST_WORD_POSITION + 1))
    text_start = [0, *doubling(int(trace.position.max()))]
    by_position = group_means(exits, trace.position, text_start)
    _, token, occurrences = np.unique(trace.target, return_inverse=True, return_counts=True)
    frequency_start = doubling(int(occurrences.max()))
    by_frequency = group_means(exits, occurrences[token], frequency_start)
    return {
        "exit_layer_mean_word_initial": mean(exits[place == 0]),
        "exit_layer_mean_continuation": mean(exits[place > 0]),
        "word_initial_share": mean(place[in_word] == 0),
        "word_position_tokens": by_place[0],
        "word_position_exit_layer_mean": by_place[1],
        "text_position_start": text_start,
        "text_position_tokens": by_position[0],
        "text_position_exit_layer_mean": by_position[1],
        "frequency_start": frequency_start,
        "frequency_tokens": by_frequency[0],
        "frequency_exit_layer_mean": by_frequency[1],
    }


def half_columns(trace: Trace, seed: int) -> dict[str, Any]:
    """Exits also behind the mixer of each layer, of the sample; all None where it is empty or no layer has two halves.

    Args:
        trace: of at least one token.
        seed: of the bootstrap draws.
    """
    _refuse_empty(trace)
    if not (trace.half_matches >= 0).any():
        return dict.fromkeys(name for name in Row.model_fields if name.startswith("half_"))
    layers, halves = trace.num_layers, trace.half_matches
    matches, prompt = trace.matches[trace.sampled], trace.prompt[trace.sampled]
    depth, both = with_halves(matches, halves)
    first, last = depth[first_match(both) - 1], depth[settled(both) - 1]
    skipped = skip_ratio(first, layers)
    has_half = [layer - 0.5 in depth for layer in range(1, layers + 1)]
    return {
        "half_exit_mean": float(first.mean()),
        "half_exit_settled_mean": float(last.mean()),
        "half_skip_ratio": float(skipped.mean()),
        **_interval("half_skip_ratio", skipped, prompt, seed),
        "half_skip_ratio_settled": float(skip_ratio(last, layers).mean()),
        "half_skip_ratio_layers": float(skip_ratio(first_match(matches), layers).mean()),
        "half_agreement": [float(halves[:, layer].mean()) if has else None for layer, has in enumerate(has_half)],
        "half_exit_share": [
            float((first == layer + 0.5).mean()) if has else None for layer, has in enumerate(has_half)
        ],
    }


def bound_columns(trace: Trace, costs: Costs | None) -> dict[str, Any]:
    """Upper bounds of the speedup, over the first-match exits.

    Args:
        trace: of at least one token.
        costs: what a token costs; without, only the bound that counts layers is known.
    """
    _refuse_empty(trace)
    exits = first_match(trace.matches)
    known = cost_columns(costs)
    columns: dict[str, Any] = {"speedup_bound_layers": speedup_bound_layers(exits, trace.num_layers)}
    for unit, suffix in (("bytes", ""), ("flops", "_flops")):
        layers, owed = known.get(f"layer_{unit}"), known.get(f"layer_owed_{unit}")
        other = known.get(f"head_{unit}", 0) + known.get(f"embedding_{unit}", 0)
        columns[f"speedup_bound_head{suffix}"] = layers and speedup_bound_head(exits, layers, other)
        columns[f"speedup_bound_kv{suffix}"] = layers and owed and speedup_bound_kv(exits, layers, owed, other)
    return columns


def _refuse_empty(trace: Trace) -> None:
    if trace.num_tokens == 0:
        raise MeasurementError(
            "no token was generated, so there is nothing to average; check the workload's prompts and --max-new-tokens"
        )


def _interval_missing(trace: Trace) -> str | None:
    """Why numbers of the case have no interval; the halves have none of their own if it is the sample that is small."""
    if len(np.unique(trace.prompt)) == 1:
        return ONE_PROMPT
    if (trace.half_matches >= 0).any() and len(np.unique(trace.prompt[trace.sampled])) == 1:
        return f"of half_skip_ratio: in the sample {ONE_PROMPT}"
    return None


def _interval(
    column: str,
    values: NDArray[np.floating],
    prompt: NDArray[np.integer],
    seed: int,
    statistic: Statistic = plain_mean,
) -> dict[str, float | None]:
    """The two ends of the interval of a column."""
    low, high = bootstrap_interval(values, prompt, seed, statistic) or (None, None)
    return {f"{column}_ci_low": low, f"{column}_ci_high": high}


def _mean_of_layers(array: NDArray[Any]) -> list[float] | None:
    """Tokens × L → L; None where there are no tokens, or where what could not be observed is NaN."""
    if len(array) == 0 or np.isnan(array).any():
        return None
    return array.mean(axis=0, dtype=np.float64).tolist()
