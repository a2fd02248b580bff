"""How far two traces of the same prompts agree: texts, exits, and what is measured at every exit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.exits import first_match, settled
from benchmark.trace.record import Trace

_MEASURES = (
    "similarity_logit",
    "similarity_logit_raw",
    "similarity_hidden",
    "similarity_previous",
    "max_prob",
    "prob_margin",
    "entropy",
    "similarity_topk",
    "kl",
    "layer_margin",
    "margin",
)
COUNTS = ("texts_differing", "tokens_differing", "first_match_differing", "settled_differing", "matches_differing")
"""What must be 0 where nothing may differ."""


def agreement(one: Trace, other: Trace) -> dict[str, Any]:
    """Hold two traces against each other, each text up to its first token that differs.

    Behind that token the texts are others. Exits and measures are compared where the tokens are the same.

    Args:
        one: with all tokens in the sample.
        other: of the same prompts, likewise.

    Returns:
        How many tokens were compared; how many of them, of the texts and of the exits differ; `largest` differences.
    """
    first, second, differing_texts = _rows_side_by_side(one, other)
    same = one.target[first] == other.target[second]
    compared, first, second = len(first), first[same], second[same]
    one_matches, other_matches = one.matches[first], other.matches[second]
    largest = {}
    for name in _MEASURES:
        gap = np.abs(getattr(one, name)[first].astype(np.float64) - getattr(other, name)[second])
        known = gap[~np.isnan(gap)]
        largest[name] = float(known.max()) if len(known) else 0.0
    return {
        "texts": len(np.unique(one.prompt)),
        "texts_differing": differing_texts,
        "tokens": compared,
        "tokens_differing": int((~same).sum()),
        "first_match_differing": int((first_match(one_matches) != first_match(other_matches)).sum()),
        "settled_differing": int((settled(one_matches) != settled(other_matches)).sum()),
        "exits": int(one_matches.size),
        "matches_differing": int((one_matches != other_matches).sum()),
        "predictions_differing": int((one.predictions[first] != other.predictions[second]).sum()),
        "ranks_differing": int((one.rank[first] != other.rank[second]).sum()),
        "halves_differing": int((one.half_matches[first] != other.half_matches[second]).sum()),
        "largest": largest,
    }


def _rows_side_by_side(one: Trace, other: Trace) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return the rows of both traces that are compared, and how many texts differ."""
    rows: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    differing = 0
    for number in np.unique(np.concatenate([one.prompt, other.prompt])):
        first, second = (np.flatnonzero(trace.prompt == number) for trace in (one, other))
        length = min(len(first), len(second))
        apart = one.target[first[:length]] != other.target[second[:length]]
        end = int(apart.argmax()) + 1 if apart.any() else length
        differing += bool(apart.any() or len(first) != len(second))
        rows.append((first[:end], second[:end]))
    return np.concatenate([pair[0] for pair in rows]), np.concatenate([pair[1] for pair in rows]), differing
