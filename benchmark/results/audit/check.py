"""Whether a folder of results is what it says: offline, without a model, from its rows and their tokens alone."""

import io
import itertools
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from benchmark.errors import ExitBenchError, InputError
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.data.records import DataFiles
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.metrics.experiment import Experiment
from benchmark.results.audit.answers import other_scores
from benchmark.results.audit.columns import other_columns
from benchmark.results.audit.fault import Fault, Verdict
from benchmark.results.audit.files import given_twice, strays, too_deep
from benchmark.results.audit.origins import other_origins
from benchmark.results.audit.repeats import repeats
from benchmark.results.audit.row import false_claims
from benchmark.results.audit.studies.clock import impossible_clock
from benchmark.results.audit.studies.decoding import impossible_decoding
from benchmark.results.audit.traces.tokens import impossible_tokens
from benchmark.results.folder_scan import irregular, paths_below
from benchmark.results.recompute import experiments_of
from benchmark.results.row import Row
from benchmark.results.store import read_tokens
from benchmark.results.table import read_table
from benchmark.results.versions import RowFile, Standing, examine
from benchmark.trace.record import Trace
from benchmark.trace.timed import Timed

_SCORED_BY = {"workload", "scorer", "targets_sha256", "prompts_sha256"}
"""Columns without which answers cannot be scored again."""
_ALREADY_TOLD = {"alpha", "seed", "tau", "top_k"}
"""Settings that columns cannot be computed with when they cannot be, or not in a lifetime."""


def check(
    folder: Path,
    models: Mapping[str, ModelEntry] | None,
    data_files: DataFiles,
    own: Sequence[Experiment[Any]] = (),
    workload_files: Sequence[Path] = (),
) -> Iterator[Verdict]:
    """A verdict on every row below a folder, on every other file that has no place there, and on the folder's table.

    What is not a regular file is named and never opened.

    Args:
        folder: of results, or a part of it.
        models: entries of the model file, by name; None if there is no such file to hold the rows against.
        data_files: where the data of workloads are, as far as they are on this machine.
        own: experiments of somebody's own that rows have beside those of the package.
        workload_files: of workloads beside those that ship with the project.

    Raises:
        InputError: there is no such folder, or nothing in it to check.
    """
    if folder.is_file():
        raise InputError(f"{folder}: is a file; name the folder it lies in: {folder.parent}")
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name a folder of results, such as results/local")
    workloads = {spec.name: spec for spec in load_workloads(workload_files)}
    files = paths_below(folder)
    regular = [path for path in files if path.suffix == ".json" and irregular(path) is None]
    found = [one for path in regular if (one := examine(path)) is not None]
    rows = {one.path: one for one in found if one.standing != Standing.FOREIGN}
    others = list(strays(folder, files, rows.keys()))
    if not rows and not any(verdict.path.suffix == ".parquet" or irregular(verdict.path) for verdict in others):
        raise InputError(f"{folder}: holds no rows; measure with: pytest suites/ --results-dir {folder}")
    beside = repeats([(path, one.row) for path, one in rows.items() if one.row and one.row.status == "ok"])
    for path, one in rows.items():
        faults = itertools.chain(too_deep(folder, path), _faults(one, models, workloads, data_files, own))
        yield _verdict(path, itertools.chain(faults, beside.get(path, ())))
    yield from others
    table = folder / "table.csv"
    if table.exists() and irregular(table) is None:
        yield _verdict(table, _table(folder, table))


def _verdict(path: Path, faults: Iterable[Fault]) -> Verdict:
    """On one file; what nobody thought of in it must not hide what is wrong with the others."""
    found = []
    try:
        for fault in faults:
            found.append(fault)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        found.append(Fault("", f"cannot be checked: {reason}; report this, with the file"))
    return Verdict(path, tuple(found))


def _faults(
    found: RowFile,
    models: Mapping[str, ModelEntry] | None,
    workloads: Mapping[str, WorkloadEntry],
    data_files: DataFiles,
    own: Sequence[Experiment[Any]],
) -> Iterator[Fault]:
    row = found.row
    if row is None:
        yield Fault("", found.reason)
        return
    experiments = experiments_of(row, own)
    try:
        Row.model_validate(found.record, strict=True)
    except ValidationError as error:
        (column, *_) = error.errors()[0]["loc"] or ("",)
        yield Fault(str(column), f"is of another type than the schema says: {error.errors()[0]['msg']}")
        return
    stated = [
        *given_twice(found.content),
        *false_claims(found.path, row, experiments),
        *other_origins(row, models, workloads, data_files),
    ]
    yield from stated
    tokens = found.path.with_suffix(".parquet")
    if row.status == "failed":
        if tokens.exists():
            yield Fault("token_records_sha256", "a failed case has no tokens")
    elif (problem := irregular(tokens)) is not None:
        yield Fault("token_records_sha256", f"{tokens.name} {problem}")
    else:
        named = {fault.column for fault in stated}
        yield from _of_tokens(found.path, row, named, experiments, workloads.get(row.workload), data_files)


def _of_tokens(
    path: Path,
    row: Row,
    named: set[str],
    experiments: Sequence[Experiment[Any, Any]],
    workload: WorkloadEntry | None,
    data_files: DataFiles,
) -> list[Fault]:
    """What is wrong with the tokens, or with what is said of them; columns that were named before are not again."""
    try:
        record = read_tokens(path, row)
    except InputError as error:
        return [Fault("token_records_sha256", str(error).partition(": ")[2])]
    if isinstance(record, Trace):
        wrong = impossible_tokens(row, record)
    elif isinstance(record, Timed):
        wrong = impossible_clock(row, record)
    else:
        wrong = impossible_decoding(row, record)
        if not wrong and not named & _SCORED_BY and workload is not None:
            wrong = list(other_scores(row, record, workload, data_files))
    if wrong or named & _ALREADY_TOLD:
        return wrong
    try:
        with np.errstate(all="ignore"):
            return [fault for fault in other_columns(row, record, experiments) if fault.column not in named]
    except (ExitBenchError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        # What is wrong with it has been said by then, but for what nobody thought of.
        reason = f"the columns cannot be computed anew: {' '.join(str(error).split())[:200]}"
        return [] if named else [Fault("", reason)]


def _table(folder: Path, table: Path) -> Iterator[Fault]:
    remedy = f"rewrite it with: exitbench merge {shlex.quote(str(folder))}"
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            stated = pd.read_csv(stream, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        yield Fault("", f"cannot be read: {' '.join(str(error).split())[:100]}; {remedy}")
        return
    written = io.StringIO(read_table(folder).to_csv(index=False))
    if not stated.equals(pd.read_csv(written, dtype=str, keep_default_na=False)):
        yield Fault("", f"is not the table of these rows; {remedy}")
