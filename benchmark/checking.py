"""Whether a folder of results is what it says: offline, without a model, from its rows and their tokens alone."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError

from benchmark.check_claims import false_claims
from benchmark.check_columns import other_columns
from benchmark.check_origins import other_origins
from benchmark.check_tokens import impossible_tokens
from benchmark.errors import InputError
from benchmark.prompts import load_workloads
from benchmark.results import read_table, read_tokens
from benchmark.row import Row
from benchmark.specs import ModelSpec, WorkloadSpec
from benchmark.standing import Found, Standing, inventory
from benchmark.verdict import Fault, Verdict


def check(folder: Path, models: Mapping[str, ModelSpec] | None) -> Iterator[Verdict]:
    """A verdict on every row below a folder, on tokens that have no row, and on the folder's table.

    JSON files that are no rows are passed over.

    Args:
        folder: of results, or a part of it.
        models: entries of the model file, by name; None if there is no such file to hold the rows against.

    Raises:
        InputError: there is no such folder, or nothing in it to check.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name a folder of results, such as results/local")
    workloads = {spec.name: spec for spec in load_workloads()}
    rows = [found for found in inventory(folder) if found.standing != Standing.FOREIGN]
    lonely = sorted(path for path in folder.rglob("*.parquet") if not path.with_suffix(".json").exists())
    if not rows and not lonely:
        raise InputError(f"{folder}: holds no rows; measure with: pytest suites/ --results-dir {folder}")
    for found in rows:
        yield Verdict(found.path, tuple(_faults(found, models, workloads)))
    for path in lonely:
        yield Verdict(path, (Fault("", "these tokens have no row; delete them or add the row"),))
    table = folder / "table.csv"
    if table.exists():
        yield Verdict(table, tuple(_table(folder, table)))


def _faults(found: Found, models: Mapping[str, ModelSpec] | None, workloads: Mapping[str, WorkloadSpec]) -> list[Fault]:
    row = found.row
    if row is None:
        return [Fault("", found.reason)]
    try:
        Row.model_validate(found.record, strict=True)
    except ValidationError as error:
        (column, *_) = error.errors()[0]["loc"] or ("",)
        return [Fault(str(column), f"is of another type than the schema says: {error.errors()[0]['msg']}")]
    faults = [*false_claims(found.path, row), *other_origins(row, models, workloads)]
    if row.status == "failed":
        return faults
    try:
        trace = read_tokens(found.path, row)
    except InputError as error:
        return [*faults, Fault("token_records_sha256", str(error).partition(": ")[2])]
    if wrong := impossible_tokens(row, trace):
        return [*faults, *wrong]
    named = {fault.column for fault in faults}
    try:
        with np.errstate(all="ignore"):
            return [*faults, *(fault for fault in other_columns(row, trace) if fault.column not in named)]
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # A setting that cannot be. What is wrong with it has been said by then, but for what nobody thought of.
        reason = f"the columns cannot be computed anew: {' '.join(str(error).split())[:200]}"
        return faults or [Fault("", reason)]


def _table(folder: Path, table: Path) -> Iterator[Fault]:
    remedy = f"rewrite it with: exitbench merge {folder}"
    try:
        stated = pd.read_csv(table, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        yield Fault("", f"cannot be read: {' '.join(str(error).split())[:100]}; {remedy}")
        return
    written = io.StringIO(read_table(folder).to_csv(index=False))
    if not stated.equals(pd.read_csv(written, dtype=str, keep_default_na=False)):
        yield Fault("", f"is not the table of these rows; {remedy}")
