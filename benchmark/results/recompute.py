"""Everything right of the trace once more, from stored tokens, without a model."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.errors import ExitBenchError, InputError
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.experiments import EXPERIMENTS, score
from benchmark.metrics.scoring import Scoring
from benchmark.results.identity import configuration_of
from benchmark.results.row import SCHEMA_VERSION, Row
from benchmark.results.store import RowStore, Store, intact_tokens, read_tokens
from benchmark.results.versions import RowFile, Standing, inventory
from benchmark.trace.costs import costs_of_columns
from benchmark.trace.record import Trace

_FORMER = 2
"""The schema before this one: its traces are today's, and its rows lack what was asked for."""


def recompute(
    folder: Path,
    own: Sequence[Experiment[Any]] = (),
    alpha: float | None = None,
    tau: Sequence[float] | None = None,
) -> Iterator[tuple[Path, str]]:
    """Compute every experiment of every row below a folder again; yields each file, and what became of it.

    Rows that failed stay as they are. Rows of the former schema are brought forward: they get today's columns and the
    name that goes with them. Where that cannot be proven right, they stay, and the reason is told.

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
    experiments = (*EXPERIMENTS, *own)
    files = list(inventory(folder))
    former = [found for found in files if _is_former(found)]
    rows = [(found.path, found.row) for found in files if found.row is not None and found.row.status == "ok"]
    if not rows and not former:
        older = sum(found.standing == Standing.STALE for found in files)
        why = (
            f"its rows are of an older version ({older}); measure the cases again"
            if older
            else "there are no rows here"
        )
        raise InputError(f"{folder}: {why}" + ("" if older else "; name a results folder"))
    for path, row in rows:
        _refuse_unknown(path, row, experiments)
    store = Store(folder)
    for path, row in rows:
        rescore(store, path, row, _changed(_scoring(path, row), alpha, tau), experiments, always=True)
        yield path, ""
    for found in former:
        yield _bring_forward(store, found, experiments, alpha, tau)
    store.write_table()


def rescore(
    store: RowStore,
    path: Path,
    row: Row,
    scoring: Scoring,
    experiments: Sequence[Experiment[Any]],
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


def _refuse_unknown(path: Path, row: Row, experiments: Sequence[Experiment[Any]]) -> None:
    given = {experiment.name for experiment in experiments}
    if unknown := [name for name in row.experiments if name not in given]:
        raise InputError(f"{path}: its experiment '{unknown[0]}' is not known here; name the suite file it is from")


def _columns(
    path: Path, trace: Trace, row: Row, scoring: Scoring, experiments: Sequence[Experiment[Any]]
) -> dict[str, Any]:
    """Return what every experiment gives on a row's tokens."""
    if wrong := int((~trace.matches[:, -1]).sum()):
        raise InputError(
            f"{path.with_suffix('.parquet')}: the last layer must have the full model's token at every position, and "
            f"has another one at {wrong} of {trace.num_tokens}; measure the case again"
        )
    try:
        return score(trace, scoring, costs_of_columns(row.model_dump()), experiments)
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


def _is_former(found: RowFile) -> bool:
    record = found.record if found.standing == Standing.STALE else None
    return record is not None and record.get("schema_version") == _FORMER and record.get("status") == "ok"


def _bring_forward(
    store: Store,
    found: RowFile,
    experiments: Sequence[Experiment[Any]],
    alpha: float | None,
    tau: Sequence[float] | None,
) -> tuple[Path, str]:
    """Make a row of today out of one of the former schema; returns its file and what became of it."""
    record = found.record or {}
    try:
        asked = _asked_before(record)
    except (LookupError, TypeError, ValueError):
        asked = None
    if asked is None:
        return found.path, "is of an older version, and what was asked for cannot be told from it; measure it again"
    kept = {name: value for name, value in record.items() if name in Row.model_fields} | asked
    columns = {**kept, "schema_version": SCHEMA_VERSION, "experiments": []}
    columns["configuration"] = configuration_of(columns)
    tokens = intact_tokens(found.path, columns["token_records_sha256"])
    row = Row(**columns)
    scoring = _changed(row.scoring, alpha, tau)
    trace = read_tokens(found.path, row)
    scored = _columns(found.path, trace, row, scoring, experiments)
    named = {"experiments": sorted(experiment.name for experiment in experiments)}
    row = Row(**columns | scored | named | {"alpha": scoring.alpha, "tau": list(scoring.tau)})
    path = store.path(row.model, row.workload, row.suite, row.configuration)
    if store.read(path) is not None:
        return found.path, f"is of an older version, and {path.name} has taken its place; delete this one"
    store.adopt(path, row, tokens)
    found.path.unlink()
    tokens.unlink()
    return path, f"brought forward from {found.path.name}"


def _asked_before(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a row of the former schema was asked for; None if that cannot be told.

    Such a row has a hash of all that was asked for, and only some of it in columns. The rest is what gives the hash.
    """
    plain = ("suite", "source", "revision", "device", "quantization", "max_new_tokens", "alpha", "seed", "tau", "top_k")
    known = {name: record[name] for name in plain} | {"prompts": record["prompts_sha256"], "schema": _FORMER}
    known |= {"layer_stack": None, "seam": None}
    choices: dict[str, Sequence[Any]] = {
        "kind": ("chat", "completion", "masked"),
        "dtype": ("auto", record["dtype"]),
        "sample": (48, None, record["sampled_tokens"]),
        "batch_size": tuple(dict.fromkeys((16, record["batch_size"], *range(1, 129)))),
        "chat_template": (None, True, False),
        "trust_remote_code": (False, True),
        "device_map": (None, "auto", "balanced", "sequential"),
    }
    # The last choices vary first, so the likely values of the first ones are tried with all of the others.
    for values in itertools.product(*reversed(choices.values())):
        asked = dict(zip(reversed(choices), values, strict=True))
        text = json.dumps(known | asked, sort_keys=True)
        if hashlib.sha256(text.encode()).hexdigest()[:8] == record["configuration"]:
            return {
                "workload_kind": asked["kind"],
                "dtype_asked": asked["dtype"],
                "sample_asked": asked["sample"],
                "batch_size_asked": asked["batch_size"],
                "chat_template_asked": asked["chat_template"],
                "trust_remote_code": asked["trust_remote_code"],
                "device_map": asked["device_map"],
                "layer_stack": None,
                "seam": None,
            }
    return None
