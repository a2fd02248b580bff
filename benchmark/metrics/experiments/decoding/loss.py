"""What early exits cost in answers: the score of the texts beside that of the full model, on the same prompts."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.column_types import Column
from benchmark.metrics.experiments.answers import AnswerColumns
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.statistics.bootstrap import interval_columns
from benchmark.trace.decoded import Decoded

LOSSES = {"1 %": 0.01, "5 %": 0.05}
"""Relative losses of score, at which the 2026 study gives the skip ratio of its Table 1."""


class LossColumns(AnswerColumns):
    """Scores of the texts and of the full model's; null where the workload has no scorer."""

    score_full: Annotated[float | None, Column(low=0, high=1, title="full score")] = None
    """Mean score of the full model's answers to the same prompts."""
    score_loss: Annotated[float | None, Column(title="loss", digits=3)] = None
    """1 − score / score of the full model; negative where the answers are better. Null where that one scores 0."""
    score_loss_ci_low: float | None = None
    """Lower end of its interval, over prompts, each with both of its answers."""
    score_loss_ci_high: float | None = None
    """Upper end of the same."""


def loss_columns(decoded: Decoded, scoring: Scoring) -> dict[str, Any]:
    """Return the columns of `LossColumns`; only prompts with both scores count.

    Args:
        decoded: with both texts of every prompt.
        scoring: has the seed of the bootstrap draws.
    """
    texts, full = decoded.of(full=False), decoded.of(full=True)
    pairs = np.stack([texts.score[texts.last], full.score[full.last]], axis=1)
    scored = ~np.isnan(pairs).any(axis=1)
    if not scored.any():
        return {}
    pairs, prompt = pairs[scored], full.prompt[full.last][scored]
    score, score_full = pairs.mean(axis=0)
    columns = {
        "score": float(score),
        **interval_columns("score", pairs[:, 0], prompt, scoring.seed),
        "scored_prompts": int(scored.sum()),
        "score_full": float(score_full),
    }
    if score_full == 0:
        return columns
    return columns | {
        "score_loss": float(1 - score / score_full),
        **_interval(pairs, prompt, scoring.seed),
    }


def max_skip_ratio_at_loss(skip_ratios: Sequence[float], losses: Sequence[float], most: float) -> float:
    """Return the largest skip ratio whose loss stays within a bound; 0, as if nothing left, if none does.

    Args:
        skip_ratios: of some thresholds.
        losses: relative loss of score, of the same.
        most: the bound.
    """
    return max((skip for skip, loss in zip(skip_ratios, losses, strict=True) if loss <= most), default=0.0)


def _interval(pairs: NDArray[np.float64], prompt: NDArray[np.int32], seed: int) -> dict[str, float | None]:
    """Return the interval of the loss; none where some draw of the prompts has no right answer of the full model."""

    def loss(means: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1 - means[:, 0] / np.where(means[:, 1] > 0, means[:, 1], np.nan)

    ends = interval_columns("score_loss", pairs, prompt, seed, loss)
    return {name: None if end is None or np.isnan(end) else end for name, end in ends.items()}
