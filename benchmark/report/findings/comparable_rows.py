"""Which rows of a results folder may stand beside each other, and which were left out, and why.

A comparison of models is only as good as the worst row in it. So of each (model, workload) there is one row, of a full
run, in one setting; the rest is left out and counted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import cast

import pandas as pd

from benchmark.errors import InputError
from benchmark.report.findings.levels import lineages
from benchmark.results.comparable import (
    FAILED,
    GIVEN,
    LIMITED,
    OLDER,
    OTHER_ALPHA,
    OTHER_PROMPTS,
    OTHER_STUDY,
    STUDY,
    Asked,
    Outcome,
    asked_otherwise,
    newest,
    not_a_full_run,
    usual,
)
from benchmark.results.row import Row
from benchmark.results.versions import Standing, inventory, remark_on

DECODERS = ("dense", "moe", "ssm", "hybrid")
_TEXTS = (
    "suite",
    "capture",
    "status",
    "model",
    "workload",
    "source",
    "revision",
    "checkpoint",
    "family",
    "released",
    "architecture",
    "stage",
    "base_model",
    "dtype",
    "quantization",
    "prompts_sha256",
    "token_records_sha256",
    "started",
    "gate",
    "policy",
)
_RULE = ("gate", "policy", "threshold_asked", "target_asked", "check_every", "min_exit_layer")
_NUMBERS = (
    "training_step",
    "parameters",
    "max_new_tokens",
    "alpha",
    "exit_layer_mean",
    "skip_ratio",
    "skip_ratio_chance",
    "eas",
    "speedup_bound_layers",
    "speedup_bound_head",
    "speedup_bound_kv",
    "speedup_speculation",
    "gate_skip_ratio_99",
    "gate_speed_99",
    "gate_found_99",
    "threshold_asked",
    "target_asked",
    "check_every",
    "min_exit_layer",
    "same_until",
    "score_loss",
)

_CASE = ("model", "workload", *_RULE)
"""Columns that tell one case from another."""

_OF_THE_RULE = (
    "suite",
    "capture",
    "status",
    "limited",
    "workload",
    "alpha",
    "prompts_sha256",
    "max_new_tokens",
    "started",
)
"""Columns that `benchmark.results.comparable` asks for."""


@dataclass(frozen=True)
class Comparable:
    """The rows that may be compared."""

    rows: pd.DataFrame
    """One a case, of every model as it was released: of training checkpoints the last. With `lineage`."""
    checkpoints: pd.DataFrame
    """One a (checkpoint, workload), with `entry`, what they are checkpoints of."""
    left_out: dict[str, int]
    """Rows that are in neither, by reason."""
    notes: list[str]
    """Choices that were made between rows."""


def read(folder: Path) -> tuple[pd.DataFrame, str | None]:
    """Every row below a folder, without its lists, with its file as `path`. Texts that are not known are empty.

    Returns:
        The rows, and what `standing.remark` says of the other files.

    Raises:
        InputError: there is no such folder, or no row in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name a folder of results, such as results/local")
    counts: Counter[Standing] = Counter()

    def rows() -> Iterator[tuple[Path, Row]]:
        for found in inventory(folder):
            counts[found.standing] += 1
            if found.row is not None:
                yield found.path, found.row

    table = table_of(rows())
    others = remark_on(folder, counts)
    if table.empty:
        why = "" if others is None else f", {others.removeprefix(f'{folder}: ')}"
        raise InputError(f"{folder}: holds no rows{why}; measure with: pytest suites/ --results-dir {folder}")
    return table, others


def table_of(rows: Iterable[tuple[Path, Row]]) -> pd.DataFrame:
    """The table that `read` makes, of rows that are read already, each with its file."""
    columns = (*_TEXTS, *_NUMBERS, "limited")
    of_row = attrgetter(*columns)
    table = pd.DataFrame([(path, *of_row(row)) for path, row in rows], columns=["path", *columns])
    texts = {name: table[name].fillna("").astype(str) for name in _TEXTS}
    return table.assign(**texts, **{name: table[name].astype(float) for name in _NUMBERS})


def comparable(table: pd.DataFrame, study: str = STUDY) -> Comparable:
    """Choose among the rows of `read`, by the rule of `benchmark.results.comparable`.

    Args:
        table: of all rows.
        study: whose rows are compared. In the study of decoding each rule and policy is a case of its own.
    """
    left_out: Counter[str] = Counter()

    def keep(rows: pd.DataFrame, which: pd.Series, reason: str) -> pd.DataFrame:
        left_out[reason] += int((~which).sum())
        return rows[which]

    def keep_all_but(rows: pd.DataFrame, reasons: Sequence[str | None], possible: Sequence[str]) -> pd.DataFrame:
        of_row = pd.Series([reason or "" for reason in reasons], index=rows.index, dtype=object)
        for reason in possible:
            rows = keep(rows, of_row[rows.index].ne(reason), reason)
        return rows

    outcomes = [not_a_full_run(cast(Outcome, row), study) for row in _records(table)]
    rows = keep_all_but(table, outcomes, (OTHER_STUDY, GIVEN, FAILED, LIMITED))
    asked = asked_otherwise([cast(Asked, row) for row in _records(rows)])
    rows = keep_all_but(rows, asked, (OTHER_ALPHA, OTHER_PROMPTS))
    rows = keep(rows, rows["skip_ratio"].notna(), FAILED)
    rows = keep(rows, rows["architecture"].isin(DECODERS), "of an encoder or encoder-decoder model")
    rows = keep(rows, rows["quantization"].eq(""), "quantized while loading")
    chosen = _usual(rows, "model", ["revision", "dtype"])
    notes = _choices(rows, chosen)
    rows = keep(rows, chosen, "of another dtype or revision of the same model")
    cases = list(rows[[*_CASE]].astype(object).where(rows[[*_CASE]].notna(), None).itertuples(index=False, name=None))
    rows = keep(rows, pd.Series(newest(cases, rows["started"].tolist()), index=rows.index, dtype=bool), OLDER)
    rows = rows.assign(entry=_entry(rows))
    usual_dtype = rows["checkpoint"].eq("") | _usual(rows, "entry", ["dtype"])
    rows = keep(rows, usual_dtype, "of another dtype than most checkpoints of the same model")
    final = _final(rows)
    alone = ~final & rows["training_step"].isna()
    rows, final = keep(rows, ~alone, "of a training checkpoint without a step"), final[~alone]
    rows = rows.assign(lineage=lineages(rows))
    stepped = rows[rows["training_step"].notna()]
    return Comparable(rows[final], stepped, {reason: count for reason, count in left_out.items() if count}, notes)


def _records(rows: pd.DataFrame) -> list[object]:
    """Return the rows as the rule reads them: a number that is missing is None, because no NaN equals another."""
    columns = rows[[*_OF_THE_RULE]].astype(object)
    return list(columns.where(columns.notna(), None).itertuples(index=False))


def _usual(rows: pd.DataFrame, of: str, setting: list[str]) -> pd.Series:
    """Whether a row has the setting that is kept for its `of`."""
    settings = list(zip(*(rows[column] for column in setting), strict=True))
    return pd.Series(usual(rows[of].tolist(), settings, rows["started"].tolist()), index=rows.index, dtype=bool)


def _choices(rows: pd.DataFrame, chosen: pd.Series) -> list[str]:
    """For each model with several dtypes, which one was taken."""
    notes = []
    several = rows.groupby("model")["dtype"].nunique()
    for model, some in rows[rows["model"].isin(several.index[several > 1])].groupby("model"):
        others = sorted(set(some["dtype"]) - set(some.loc[chosen[some.index], "dtype"]))
        if others:
            notes.append(f"{model} in {some.loc[chosen[some.index], 'dtype'].iloc[0]}, not {', '.join(others)}")
    return notes


def _entry(rows: pd.DataFrame) -> pd.Series:
    """What a checkpoint is one of: the source, of a local folder without the checkpoint's own folder."""
    sources = [
        source.removesuffix(f"/{checkpoint}") if source.startswith("path:") else source
        for source, checkpoint in zip(rows["source"], rows["checkpoint"], strict=True)
    ]
    return pd.Series(sources, index=rows.index, dtype=object)


def _final(rows: pd.DataFrame) -> pd.Series:
    """Whether a row is of a model as released: no checkpoint, or the last one where nothing else was measured of it."""
    checkpoint = rows["checkpoint"].ne("")
    last = rows["training_step"].eq(rows.groupby("entry")["training_step"].transform("max"))
    return ~checkpoint | (last & ~rows["entry"].isin(rows.loc[~checkpoint, "entry"]))
