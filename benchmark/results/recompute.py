"""Everything right of the trace once more, from stored tokens, without a model."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.errors import ExitBenchError, InputError
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.experiments import score
from benchmark.metrics.experiments.studies import Record, recorded
from benchmark.metrics.scoring import Scoring
from benchmark.results.row import Row
from benchmark.results.store import RowStore, Store
from benchmark.results.versions import Standing, inventory
from benchmark.trace.costs import costs_of_columns
from benchmark.trace.record import Trace


def recompute(
    folder: Path,
    own: Sequence[Experiment[Any]] = (),
    alpha: float | None = None,
    tau: Sequence[float] | None = None,
) -> Iterator[Path]:
    """Compute every experiment of every row below a folder again; yields each file.

    Rows that failed stay as they are, and so do those of another version.

    Args:
        folder: of results.
        own: experiments of somebody's own, beside those of the package.
        alpha: weight of similarity against depth in EAS; by default that of each row.
        tau: thresholds of the τ-oracle; by default those of each row.

    Raises:
        InputError: there are no rows, a setting is outside of its range, a row has an experiment that is not given, or
            its tokens are missing, damaged, others, or cannot be; names the file.
    """
    _changed(Scoring(), alpha, tau)  # a setting outside of its range is told before anything is written
    files = list(inventory(folder))
    rows = [(found.path, found.row) for found in files if found.row is not None and found.row.status == "ok"]
    if not rows:
        older = sum(found.standing == Standing.STALE for found in files)
        why = (
            f"its rows are of an older version ({older}); measure the cases again"
            if older
            else "there are no rows here"
        )
        raise InputError(f"{folder}: {why}" + ("" if older else "; name a results folder"))
    for path, row in rows:
        _refuse_unknown(path, row, experiments_of(row, own))
    store = Store(folder)
    for path, row in rows:
        rescore(store, path, row, _changed(_scoring(path, row), alpha, tau), experiments_of(row, own), always=True)
        yield path
    store.write_table()


def experiments_of(row: Row, own: Sequence[Experiment[Any]]) -> tuple[Experiment[Any, Any], ...]:
    """Return the experiments that a row may have: those of its study; experiments of somebody's own are of traces."""
    study = recorded(row.suite)
    return (*study.experiments, *own) if study.record is Trace else study.experiments


def rescore(
    store: RowStore,
    path: Path,
    row: Row,
    scoring: Scoring,
    experiments: Sequence[Experiment[Any, Any]],
    always: bool = False,
) -> Row:
    """Return a row that is scored with these settings and has these experiments; rewrites it where it is another one.

    Args:
        store: where the row is.
        path: of the row.
        row: as it was read.
        scoring: the settings.
        experiments: what the row is to have; others that it has stay, if the settings do.
        always: compute also what the row has already.

    Raises:
        InputError: its tokens are missing, damaged, others, or cannot be, or an experiment of the row is not given.
    """
    names = {experiment.name for experiment in experiments}
    same = row.scoring == scoring
    if same and names <= set(row.experiments) and not always:
        return row
    if not same or always:
        _refuse_unknown(path, row, experiments)
    columns = _columns(path, store.tokens(path, row), row, scoring, experiments)
    columns |= {"experiments": sorted({*row.experiments, *names}), "alpha": scoring.alpha, "tau": list(scoring.tau)}
    return store.update(path, partial(_with_columns, row, columns))


def _changed(scoring: Scoring, alpha: float | None, tau: Sequence[float] | None) -> Scoring:
    changes: dict[str, Any] = {"alpha": alpha, "tau": None if tau is None else tuple(tau)}
    return replace(scoring, **{name: value for name, value in changes.items() if value is not None})


def _scoring(path: Path, row: Row) -> Scoring:
    try:
        return row.scoring
    except InputError as error:
        raise InputError(f"{path}: {error}; see: exitbench check {path.parent}") from None


def _refuse_unknown(path: Path, row: Row, experiments: Sequence[Experiment[Any, Any]]) -> None:
    given = {experiment.name for experiment in experiments}
    if unknown := [name for name in row.experiments if name not in given]:
        raise InputError(f"{path}: its experiment '{unknown[0]}' is not known here; name the suite file it is from")


def _columns(
    path: Path, record: Record, row: Row, scoring: Scoring, experiments: Sequence[Experiment[Any, Any]]
) -> dict[str, Any]:
    """Return what every experiment gives on a row's tokens."""
    if isinstance(record, Trace) and (wrong := int((~record.matches[:, -1]).sum())):
        raise InputError(
            f"{path.with_suffix('.parquet')}: the last layer must have the full model's token at every position, and "
            f"has another one at {wrong} of {record.num_tokens}; measure the case again"
        )
    try:
        return score(record, scoring, costs_of_columns(row.model_dump()), experiments)
    except (ExitBenchError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        # Whatever else may be wrong with a row or its tokens, `exitbench check` has a word for it.
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: its columns cannot be computed anew: {reason}; see: exitbench check {path.parent}"
        ) from None


def _with_columns(computed: Row, columns: dict[str, Any], row: Row) -> Row:
    """The row as it stands now with its new columns, unless it was measured anew since they were computed."""
    if row.token_records_sha256 != computed.token_records_sha256:
        return row
    return Row(**row.model_dump() | columns)
