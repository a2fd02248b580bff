"""About how long jobs of one model take, going by rows that were measured on the same machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

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
    and then by their parameters too; and of these in the same study, by the same rule, on the same workload as far as
    there are such rows.

    Args:
        jobs: of one model.
        measured: rows of this machine, with tokens and parameters.
    """
    if not jobs:
        return None
    # What comes before the first token weighs too much in short runs to tell of long ones.
    short = jobs[0].capture.limit is not None
    timed = [row for row in measured if _seconds(row) is not None and (short or not row.limited)]
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
        rate = median((_seconds(row) or 0) / _asked(row) / (row.parameters or 1) for row in like)
        total += rate * parameters * _tokens(job)
        used |= {id(row) for row in like}
    loads = [row for row in own or timed if row.load_seconds is not None]
    if loads:
        total += parameters * median((row.load_seconds or 0) / (row.parameters or 1) for row in loads)
    return Estimate(total, len(used))


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


def _seconds(row: Row) -> float | None:
    """What a case took; of a row that does not say, what its parts took."""
    if row.case_seconds is not None:
        return row.case_seconds
    parts = (row.generate_seconds, row.oracle_seconds, row.gated_seconds, row.full_seconds)
    return sum(part for part in parts if part is not None) or None


def _asked(row: Row) -> int:
    """Tokens that a row might have had, with those of the prompts that chose a threshold."""
    return ((row.prompts or 1) + (row.calibration_prompts or 0)) * (row.max_new_tokens or 1)


def _tokens(job: Job) -> int:
    """Tokens that a case may have."""
    prompts = job.capture.limit or full_run(job.workload, None)
    return prompts * (job.capture.max_new_tokens or job.workload.max_new_tokens)
