"""What scores of answers cannot be: of other tokens than the last ones, of no scorer, at odds with what is missing."""

from collections.abc import Iterator

import numpy as np

from benchmark.results.audit.fault import Fault, told
from benchmark.results.row import Row
from benchmark.trace.record import Trace


def impossible_answers(row: Row, trace: Trace) -> Iterator[Fault]:
    """What is wrong with the scores of answers, and with what is said of them.

    Args:
        row: of a case that went well.
        trace: its arrays have the shapes that the row asks for.
    """
    if (row.scorer is None) != (row.targets_sha256 is None):
        yield Fault("scorer", "a scorer needs reference answers, and these a scorer")
    if row.score_errors is not None and (row.scorer is None or row.score_missing is not None):
        yield Fault("score_errors", "answers were not scored, so no scorer has failed on one")
    if row.scorer is None and row.score_missing is not None:
        yield Fault("score_missing", "without a scorer no score is missing")
    if row.scorer is not None and row.score_errors is None and row.score_missing is None:
        yield Fault("score_missing", "neither are answers scored, nor is it said why they are not")
    given = ~np.isnan(trace.score)
    if not ((trace.score[given] >= 0) & (trace.score[given] <= 1)).all():
        yield Fault("score", "is within 0 and 1 for every answer")
    last = np.diff(trace.prompt, append=-1) != 0
    if given[~last].any():
        yield Fault("score", f"stands at the last token of a prompt, but {int(given[~last].sum())} times before it")
    expected = row.score_errors is not None
    if (given[last] != expected).any():
        said = "every prompt has one" if expected else "there is none"
        yield Fault("score", f"{said}, as the row says, but {int(given[last].sum())} of {int(last.sum())} prompts do")
    yield from _errors(row, trace)


def _errors(row: Row, trace: Trace) -> Iterator[Fault]:
    """What the scorer failed on are prompts of the row, and worth nothing."""
    ids = [f"{row.workload}/{number}" for number in trace.prompt.tolist()]
    worth = {name: score for name, score in zip(ids, trace.score.tolist(), strict=True) if not np.isnan(score)}
    for name in row.score_errors or ():
        if worth.get(name) != 0:
            yield Fault("score_errors", f"names {told(name)}, which is no prompt whose answer counts as wrong")
            return
