"""About how long jobs of one model take, going by rows that were measured on the same machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.optimize import nnls

from benchmark.cases.identity import full_run
from benchmark.cases.job import Job
from benchmark.results.row import Row


@dataclass(frozen=True)
class Estimate:
    """How long jobs take, and how much is known of it."""

    seconds: float
    rows: int
    """Rows that it was taken from."""


def estimate(jobs: Sequence[Job], measured: Sequence[Row]) -> Estimate | None:
    """Return how long jobs of one model take, and loading it once; None without a row that tells.

    A case goes by the tokens that it may have, and by what each of them took before: of the same model, else of others
    and then by the line that fits them best over their parameters; and of these in the same study, by the same rule, on
    the same workload as far as there are such rows.

    Args:
        jobs: of one model.
        measured: rows of this machine, with tokens and parameters.
    """
    if not jobs:
        return None
    # What comes before the first token weighs too much in short runs to tell of long ones.
    short = jobs[0].capture.limit is not None
    timed = [row for row in measured if _seconds(row) > 0 and (short or not row.limited)]
    if not timed:
        return None
    entry = jobs[0].entry
    own = [row for row in timed if row.model == entry.name]
    parameters = own[0].parameters if own else entry.parameters
    if parameters is None:
        return None
    total, used = 0.0, set()
    for job in jobs:
        like = _like(job, own or timed)
        total += _tokens(job) * _at(parameters, [(row.parameters or 1, _seconds(row) / _asked(row)) for row in like])
        used |= {id(row) for row in like}
    loads = [(row.parameters or 1, row.load_seconds) for row in own or timed if row.load_seconds]
    return Estimate(total + (_at(parameters, loads) if loads else 0.0), len(used))


def _at(parameters: int, known: Sequence[tuple[int, float]]) -> float:
    """Return the seconds that a model of so many parameters takes, by those of others, or of itself.

    They are a share that every model takes and one that grows with the parameters, neither below zero, such that the
    squared relative errors are least. Of one size nothing tells the two apart; then all of it grows.
    """
    if len({size for size, _ in known}) == 1:
        return median(seconds for _, seconds in known) * parameters / known[0][0]
    relative = [(1 / seconds, size / parameters / seconds) for size, seconds in known]
    (fixed, growing), _ = nnls(np.array(relative), np.ones(len(known)))
    return float(fixed + growing)


def _like(job: Job, rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows that tell most of a job: some at least."""
    study, rule = ("oracle", None) if job.gated is None else ("decoding", (job.gated.gate, job.gated.policy))
    narrower: tuple[Callable[[Row], bool], ...] = (
        lambda row: row.suite == study,
        lambda row: row.limited == (job.capture.limit is not None),
        lambda row: rule is None or (row.gate, row.policy) == rule,
        lambda row: row.signals_asked in (None, job.capture.signals),
        lambda row: row.workload == job.workload.name,
    )
    for wanted in narrower:
        rows = [row for row in rows if wanted(row)] or rows
    return rows


def _seconds(row: Row) -> float:
    """What a case took; of a row that does not say, what its parts took; 0 where that is not known either."""
    if row.case_seconds is not None:
        return row.case_seconds
    parts = (row.generate_seconds, row.oracle_seconds, row.gated_seconds, row.full_seconds)
    return sum(part for part in parts if part is not None)


def _asked(row: Row) -> int:
    """Tokens that a row might have had, with those of the prompts that chose a threshold."""
    return ((row.prompts or 1) + (row.calibration_prompts or 0)) * (row.max_new_tokens or 1)


def _tokens(job: Job) -> int:
    """Tokens that a case may have."""
    prompts = job.capture.limit or full_run(job.workload, None)
    return prompts * (job.capture.max_new_tokens or job.workload.max_new_tokens)
