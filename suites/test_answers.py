"""Answers: how good is what the model says, by the scorer of the workload?"""

import numpy as np

from benchmark.cases.case import Case
from benchmark.metrics.experiments.answers import ANSWERS


def test_answers(case: Case) -> None:
    """An answer is scored at the last token of its prompt, where the workload has a scorer and nothing is amiss."""
    columns = case.columns(ANSWERS)
    last = np.diff(case.trace.prompt, append=-1) != 0
    assert np.isnan(case.trace.score[~last]).all()
    scored = case.row.scorer is not None and case.row.score_missing is None
    assert columns.scored_prompts == (case.row.prompts if scored else None)
    if columns.score_ci_low is not None and columns.score_ci_high is not None:
        assert columns.score is not None
        assert columns.score_ci_low - 1e-9 <= columns.score <= columns.score_ci_high + 1e-9
