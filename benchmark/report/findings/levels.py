"""What findings are computed from: lineages of models, levels over workloads, and depths of prompts."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.metrics.exits import first_match
from benchmark.results.store import intact_tokens
from benchmark.trace.parquet import read_arrays


def lineages(rows: pd.DataFrame) -> pd.Series:
    """Lineage of each row: where its weights began, following `base_model` from model to model as far as it is known.

    Models of one lineage are alike, whatever they were tuned for, so it counts as one when models are drawn.
    """
    bases = base_sources(rows)
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


def base_sources(rows: pd.DataFrame) -> pd.Series:
    """Return the source of the model that each row's model was made from; empty where it names none.

    It is the one of that name among the rows, as where both lie in folders, else the one that the hub has.
    """
    named = dict(zip(rows["model"], rows["source"], strict=True))
    return rows["base_model"].map(lambda base: named.get(base) or f"hub:{base}" if base else "")


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
