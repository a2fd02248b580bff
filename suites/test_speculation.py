"""Lossless early exit: how fast would self-speculation be, for every exit layer and draft length?"""

import numpy as np

from benchmark.cases.case import Case
from benchmark.metrics.experiments.speculation import SPECULATION


def test_speculation(case: Case) -> None:
    """A round gives one token at least and γ + 1 at most, and no fewer with a longer draft."""
    columns = case.columns(SPECULATION)
    if columns.speculation_tokens_per_round is not None and columns.speculation_draft_lengths is not None:
        tokens = np.array(columns.speculation_tokens_per_round)
        longest = np.array(columns.speculation_draft_lengths)[:, None] + 1
        assert ((tokens >= 1) & (tokens <= longest)).all()
        assert (np.diff(tokens, axis=0) >= 0).all()
