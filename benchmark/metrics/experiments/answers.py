"""Answers: how good is what the model says, by the scorer of the workload?"""

from typing import Annotated

import numpy as np

from benchmark.metrics.column_types import Column, Columns, Share
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.statistics.bootstrap import interval_columns
from benchmark.trace.costs import Costs
from benchmark.trace.record import Trace


class AnswerColumns(Columns):
    """The mean score of the answers; null where the workload has no scorer, or `score_missing` says why."""

    score: Annotated[float | None, Column(low=0, high=1, title="score", headline=True)] = None
    """Mean score of the answers, by `scorer`: of the full model in a study of the oracle."""
    score_ci_low: Share = None
    """Lower end of the 95 % bootstrap interval of `score`, over prompts; null with one prompt."""
    score_ci_high: Share = None
    """Upper end of the same."""
    scored_prompts: Annotated[int | None, Column(low=1, high="prompts")] = None
    """Prompts whose answers were scored."""


def answer_columns(trace: Trace, scoring: Scoring, costs: Costs | None) -> AnswerColumns:
    """Return the mean score of the answers and its interval; all null where there is no score.

    Args:
        trace: of at least one token; each score stands at the last token of its prompt.
        scoring: has the seed of the bootstrap draws.
        costs: not needed.
    """
    scored = ~np.isnan(trace.score)
    if not scored.any():
        return AnswerColumns()
    scores = trace.score[scored]
    return AnswerColumns(
        score=float(scores.mean()),
        **interval_columns("score", scores, trace.prompt[scored], scoring.seed),
        scored_prompts=int(scored.sum()),
    )


ANSWERS = Experiment("answers", AnswerColumns, answer_columns)
