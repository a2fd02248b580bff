"""Everything right of the trace once more, from stored tokens, without a model."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.errors import ExitBenchError, InputError
from benchmark.metrics.experiments import EXPERIMENTS, Choices
from benchmark.results.row import Row
from benchmark.results.store import Store, read_tokens
from benchmark.results.versions import Standing, inventory


def recompute(folder: Path) -> Iterator[Path]:
    """Compute every experiment of every row below a folder again; yields the files as they are rewritten.

    Rows that failed stay as they are.

    Raises:
        InputError: there are no rows, or a row's tokens are missing, damaged, others, or cannot be; names the file.
    """
    files = [(found.path, found.row, found.standing) for found in inventory(folder)]
    rows = [(path, row) for path, row, _ in files if row is not None]
    if not rows and (older := sum(standing == Standing.STALE for _, _, standing in files)):
        raise InputError(
            f"{folder}: its rows are of an older version ({older}), and their tokens do not hold all that this one "
            "computes columns from; measure the cases again"
        )
    if not rows:
        raise InputError(f"{folder}: there are no rows of this version here; name a results folder")
    store = Store(folder)
    for path, row in rows:
        if row.status == "ok":
            store.update(path, partial(_with_columns, row, _columns(path, row)))
            yield path
    store.write_table()


def _columns(path: Path, row: Row) -> dict[str, Any]:
    """What every experiment gives on a row's tokens."""
    trace, columns = read_tokens(path, row), dict[str, Any]()
    try:
        choices, wrong = Choices.of_row(row), int((~trace.matches[:, -1]).sum())
        for experiment in EXPERIMENTS.values() if not wrong else ():
            columns |= experiment(trace, choices)
    except (ExitBenchError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        # Whatever else may be wrong with a row or its tokens, `exitbench check` has a word for it.
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: its columns cannot be computed anew: {reason}; see: exitbench check {path.parent}"
        ) from None
    if wrong:
        raise InputError(
            f"{path.with_suffix('.parquet')}: the last layer must have the full model's token at every position, and "
            f"has another one at {wrong} of {trace.num_tokens}; measure the case again"
        )
    return columns


def _with_columns(computed: Row, columns: dict[str, Any], row: Row) -> Row:
    """The row as it stands now with its new columns, unless it was measured anew since they were computed."""
    if row.token_records_sha256 != computed.token_records_sha256:
        return row
    return Row(**row.model_dump() | columns | {"experiments": sorted(EXPERIMENTS)})
