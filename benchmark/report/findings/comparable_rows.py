"""Which rows of a results folder may stand beside each other, and which were left out, and why.

A comparison of models is only as good as the worst row in it. So of each (model, workload) there is one row, of a full
run, in one setting; the rest is left out and counted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.metrics.exits import first_match
from benchmark.results.row import Row
from benchmark.results.store import intact_tokens
from benchmark.results.versions import Standing, inventory, remark_on
from benchmark.trace.parquet import read_arrays

DECODERS = ("dense", "moe", "ssm", "hybrid")
_TEXTS = (
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
)
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
)


@dataclass(frozen=True)
class Comparable:
    """The rows that may be compared."""

    rows: pd.DataFrame
    """One a (model, workload), of every model as it was released: of training checkpoints the last. With `lineage`."""
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


def comparable(table: pd.DataFrame) -> Comparable:
    """Choose among the rows of `read`.

    Of settings that differ, the one with most rows of the same model (for prompts, of the same workload) is kept; on a
    tie the one that more rows have altogether, then the newest.
    """
    left_out: Counter[str] = Counter()

    def keep(rows: pd.DataFrame, which: pd.Series, reason: str) -> pd.DataFrame:
        left_out[reason] += int((~which).sum())
        return rows[which]

    rows = keep(table, table["status"].eq("ok") & table["skip_ratio"].notna(), "failed")
    rows = keep(rows, ~rows["limited"], "limited, not the prompts of a full run")
    rows = keep(rows, rows["architecture"].isin(DECODERS), "of an encoder or encoder-decoder model")
    rows = keep(rows, rows["quantization"].eq(""), "quantized while loading")
    rows = keep(rows, _usual(rows.assign(all=""), "all", ["alpha"]), "of another alpha than most")
    asked = ["prompts_sha256", "max_new_tokens"]
    rows = keep(rows, _usual(rows, "workload", asked), "of other prompts or another number of new tokens than most")
    chosen = _usual(rows, "model", ["revision", "dtype"])
    notes = _choices(rows, chosen)
    rows = keep(rows, chosen, "of another dtype or revision of the same model")
    newest = ~rows.sort_values("started", kind="stable").duplicated(["model", "workload"], keep="last")
    rows = keep(rows, newest.reindex(rows.index), "older than a row of the same model and workload")
    rows = rows.assign(entry=_entry(rows))
    usual = rows["checkpoint"].eq("") | _usual(rows, "entry", ["dtype"])
    rows = keep(rows, usual, "of another dtype than most checkpoints of the same model")
    final = _final(rows)
    alone = ~final & rows["training_step"].isna()
    rows, final = keep(rows, ~alone, "of a training checkpoint without a step"), final[~alone]
    rows = rows.assign(lineage=lineages(rows))
    stepped = rows[rows["training_step"].notna()]
    return Comparable(rows[final], stepped, {reason: count for reason, count in left_out.items() if count}, notes)


def _usual(rows: pd.DataFrame, of: str, setting: list[str]) -> pd.Series:
    """Whether a row has the setting that is kept for its `of`."""
    sizes = rows.groupby([of, *setting], dropna=False)["started"].agg(["size", "max"])
    everywhere = rows.groupby(setting[-1], dropna=False).size()
    sizes["everywhere"] = everywhere.reindex(sizes.index.get_level_values(setting[-1])).to_numpy()
    kept = sizes.sort_values(["size", "everywhere", "max"]).groupby(level=of).tail(1).index
    return pd.Series(pd.MultiIndex.from_frame(rows[[of, *setting]]).isin(kept), index=rows.index, dtype=bool)


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


def lineages(rows: pd.DataFrame) -> pd.Series:
    """Lineage of each row: where its weights began, following `base_model` from model to model as far as it is known.

    Models of one lineage are alike, whatever they were tuned for, so it counts as one when models are drawn.
    """
    bases = rows["base_model"].map(lambda base: f"hub:{base}" if base else "")
    names = rows["source"].where(rows["source"].ne(""), bases).where(lambda name: name.ne(""), "model:" + rows["model"])
    made_from: dict[str, str] = {}

    def beginning(name: str) -> str:
        while name in made_from:
            name = made_from[name]
        return name

    for name, base in dict.fromkeys(zip(names, bases, strict=True)):
        # Entries may go round in a circle by mistake; who is in it is of one lineage then.
        if base and beginning(name) != beginning(base):
            made_from[beginning(name)] = beginning(base)
    return names.map(beginning)


def prompt_depths(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Mean relative exit of every prompt, from the traces beside the rows.

    Returns:
        `model`, `workload`, `prompt` and `depth`, the mean over the prompt's tokens of first-match exit / L; and the
        number of rows whose trace is missing, damaged or another row's.
    """
    prompts, depths = [], []
    for path, digest in zip(rows["path"], rows["token_records_sha256"], strict=True):
        try:
            prompt, depth = _depth_by_prompt(intact_tokens(path, digest))
        except InputError:
            prompt, depth = np.zeros(0, int), np.zeros(0)
        prompts.append(prompt)
        depths.append(depth)
    sizes = [len(prompt) for prompt in prompts]
    table = pd.DataFrame({name: np.repeat(rows[name].to_numpy(), sizes) for name in ("model", "workload")})
    return table.assign(prompt=np.concatenate(prompts), depth=np.concatenate(depths)), sizes.count(0)


def _depth_by_prompt(tokens: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Prompts of a file of tokens, and the mean relative exit of each."""
    arrays = read_arrays(tokens, ["prompt", "matches"])
    matches = arrays["matches"]
    prompts, member = np.unique(arrays["prompt"], return_inverse=True)
    return prompts, np.bincount(member, first_match(matches)) / np.bincount(member) / matches.shape[1]


def levels(rows: pd.DataFrame, column: str, of: str = "model") -> pd.Series:
    """Level of each model: its mean of a column, with the differences between workloads taken out.

    Least squares of `column = level + workload`, so that a model is not better for having seen the easier workloads
    only. Where all have seen the same ones, it is the plain mean; workloads that no chain of models connects are taken
    to be equally hard on average.
    """
    known = rows.dropna(subset=[column])
    workload = pd.get_dummies(known["workload"], dtype=float)
    # Least squares without the levels: all that a model's mean explains is taken out first (Frisch, Waugh and Lovell).
    within = workload - workload.groupby(known[of]).transform("mean")
    remaining = known[column] - known.groupby(of)[column].transform("mean")
    effect, *_ = np.linalg.lstsq(within.to_numpy(), remaining.to_numpy())
    return (known[column] - workload.to_numpy() @ effect).groupby(known[of]).mean()
