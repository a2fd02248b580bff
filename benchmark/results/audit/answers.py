"""What scores of answers cannot be: of other tokens than the last ones, of no scorer, at odds with what is missing."""

import math
from collections.abc import Iterator

import numpy as np

from benchmark.errors import CannotRun, InputError
from benchmark.inputs.data.records import DataFiles
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.metrics.answers.scorers import SCORERS
from benchmark.results.audit.fault import Fault, told
from benchmark.results.row import Row
from benchmark.trace.decoded import Decoded
from benchmark.trace.record import Trace

_TOLERANCE = 1e-6
"""Of scores, which libraries add up in their own order."""


def impossible_answers(row: Row, trace: Trace | Decoded) -> Iterator[Fault]:
    """What is wrong with the scores of answers, and with what is said of them.

    Args:
        row: of a case that went well.
        trace: one text of each prompt; its arrays have the shapes that the row asks for.
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
    # Errors are told of the texts that were written with early exits, not of those that they are held against.
    if isinstance(trace, Trace) or not trace.full.any():
        yield from _errors(row, trace)


def other_scores(row: Row, decoded: Decoded, workload: WorkloadEntry, files: DataFiles) -> Iterator[Fault]:
    """Whether stored answers are worth what the record says, as far as that can be told without running code.

    Args:
        row: of a case of the decoding study that went well.
        decoded: its record.
        workload: what the row says that was run.
        files: where its data are, as far as they are on this machine.
    """
    if row.scorer not in SCORERS or row.score_errors is None:
        return
    try:
        prompts = read_prompts(workload, int(decoded.prompt.max()) + 1, files)
    except (CannotRun, InputError):
        return  # without the data nothing can be said
    last = decoded.last
    for number, answer, stated in zip(
        decoded.prompt[last].tolist(), decoded.answer[last], decoded.score[last].tolist(), strict=True
    ):
        try:
            worth = SCORERS[row.scorer].score(answer, prompts[number].targets)
        except Exception:  # whatever a library may raise for a text that nobody thought of
            worth = 0.0
        if not math.isclose(stated, worth, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            yield Fault(
                "score", f"an answer to prompt {number} has {told(stated)}, but {row.scorer} gives {told(worth)}"
            )
            return


def _errors(row: Row, trace: Trace | Decoded) -> Iterator[Fault]:
    """What the scorer failed on are prompts of the row, and worth nothing."""
    ids = [f"{row.workload}/{number}" for number in trace.prompt.tolist()]
    worth = {name: score for name, score in zip(ids, trace.score.tolist(), strict=True) if not np.isnan(score)}
    for name in row.score_errors or ():
        if worth.get(name) != 0:
            yield Fault("score_errors", f"names {told(name)}, which is no prompt whose answer counts as wrong")
            return
