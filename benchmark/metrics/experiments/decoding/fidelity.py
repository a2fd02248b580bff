"""How far a text that was written with early exits is the full model's."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.answers.overlap import CHRF
from benchmark.metrics.column_types import Column, Columns, Counts, Share
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.statistics.bins import doubling
from benchmark.metrics.statistics.bootstrap import interval_columns
from benchmark.trace.decoded import Decoded

Fidelity = Annotated[float | None, Column(low=0, high=1, mean="interval")]
Fidelities = Annotated[list[float] | None, Column(low=0, high=1)]


class FidelityColumns(Columns):
    """Texts held against what the full model writes behind the same prompts."""

    same_text: Annotated[float | None, Column(low=0, high=1, mean="arithmetic")] = None
    """Share of prompts whose text is the full model's, token by token."""
    same_until: Annotated[float | None, Column(low=0, high=1, title="same until", mean="interval")] = None
    """Share of the full model's tokens that stand before the first difference."""
    same_until_ci_low: Share = None
    """Lower end of its interval, over prompts."""
    same_until_ci_high: Share = None
    """Upper end of the same."""
    token_agreement: Fidelity = None
    """Share of the full model's tokens in whose place the text has the same token."""
    token_agreement_ci_low: Share = None
    """Lower end of its interval, over prompts."""
    token_agreement_ci_high: Share = None
    """Upper end of the same."""
    chrf: Fidelity = None
    """Mean chrF of the texts against the full model's, within 0 and 1."""
    chrf_ci_low: Share = None
    """Lower end of its interval, over prompts."""
    chrf_ci_high: Share = None
    """Upper end of the same."""
    fidelity_positions: Counts = None
    """Positions in the text, from 0, at which the groups below start: each is about twice as long as the one before."""
    same_until_by_position: Fidelities = None
    """`same_until` of the tokens in each group."""
    token_agreement_by_position: Fidelities = None
    """`token_agreement` of the tokens in each group."""


def fidelity_columns(decoded: Decoded, scoring: Scoring) -> dict[str, Any]:
    """Return the columns of `FidelityColumns`.

    Args:
        decoded: with both texts of every prompt.
        scoring: has the seed of the bootstrap draws.
    """
    texts, full = decoded.of(full=False), decoded.of(full=True)
    same = _same(texts, full)
    before = np.concatenate([np.minimum.accumulate(same[full.prompt == number]) for number in np.unique(full.prompt)])
    whole = [
        bool(before[full.prompt == number].all() and (texts.prompt == number).sum() == (full.prompt == number).sum())
        for number in np.unique(full.prompt)
    ]
    overlaps = np.array(
        [
            CHRF.score(answer, (reference,)) if reference.strip() else float(answer.strip() == reference.strip())
            for answer, reference in zip(texts.answer[texts.last], full.answer[full.last], strict=True)
        ]
    )
    starts = [0, *doubling(int(full.position.max()))]
    group = np.searchsorted(starts, full.position, side="right") - 1
    return {
        "same_text": float(np.mean(whole)),
        **_mean("same_until", before, full.prompt, scoring),
        **_mean("token_agreement", same, full.prompt, scoring),
        **_mean("chrf", overlaps, full.prompt[full.last], scoring),
        "fidelity_positions": starts,
        "same_until_by_position": [float(before[group == number].mean()) for number in range(len(starts))],
        "token_agreement_by_position": [float(same[group == number].mean()) for number in range(len(starts))],
    }


def _same(texts: Decoded, full: Decoded) -> NDArray[np.bool_]:
    """Return whether the text has the same token in the place of each of the full model's tokens."""
    written, wanted = (zip(some.prompt.tolist(), some.position.tolist(), strict=True) for some in (texts, full))
    tokens = dict(zip(written, texts.token.tolist(), strict=True))
    return np.array([tokens.get(place, -1) for place in wanted]) == full.token


def _mean(name: str, values: NDArray[Any], prompt: NDArray[np.int32], scoring: Scoring) -> dict[str, Any]:
    numbers = values.astype(np.float64)
    return {name: float(numbers.mean()), **interval_columns(name, numbers, prompt, scoring.seed)}
