"""Submissions of results: honest ones, and what somebody may do to them."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from measured import measure
from numpy.typing import NDArray

from benchmark.inputs.model_entry import load_models
from benchmark.models.hub import Hub
from benchmark.results.audit.check import check
from benchmark.results.audit.fault import Verdict
from benchmark.results.recompute import recompute
from benchmark.results.store import Store, sha256
from benchmark.trace.arrays import OF_SAMPLE, OF_SIGNALS
from benchmark.trace.record import Trace

FULL = {"max_new_tokens": None}
"""The setting of a full run: as many new tokens as the workload has."""


def honest_world(folder: Path) -> Path:
    """Two honest cases in `results`, of `tiny` and of `other`, which has as many layers; with their model file."""
    measure(folder, **FULL)
    measure(folder, "ssm", name="other", **FULL)
    models = (folder / "models.yaml").read_text()
    (folder / "models.yaml").write_text(models.replace("- path: tiny", "- path: tiny\n  parameters: 50000"))
    return folder


def named_of_small_run(results: Path) -> set[str]:
    """Columns that a check of a results folder names, but for what is so because the run is small."""
    faults = [fault for verdict in verdicts(results) for fault in verdict.faults]
    return {fault.column for fault in faults if not re.search(r"^not a full run|and a full run", fault.problem)}


def verdicts(results: Path, models: Path | None = None) -> list[Verdict]:
    """Of a results folder."""
    return list(
        check(results, {spec.name: spec for spec in load_models(models)} if models else None, Hub(download=False))
    )


def faulty(results: Path, models: Path | None = None) -> set[str]:
    """The columns that are named as faulty."""
    return {fault.column for verdict in verdicts(results, models) for fault in verdict.faults}


class Submission:
    """A copy of the honest row of `tiny`, to plant something into."""

    def __init__(self, folder: Path) -> None:
        self.results = folder / "results"
        (self.path,) = (self.results / "tiny").rglob("*.json")
        self.tokens = self.path.with_suffix(".parquet")
        (self.other,) = (self.results / "other").rglob("*.parquet")

    @property
    def row(self) -> dict[str, Any]:
        return json.loads(self.path.read_text())

    def edit(self, **columns: Any) -> None:
        """Change columns of the row and nothing else."""
        self.path.write_text(json.dumps(self.row | columns))

    def rehash(self) -> None:
        self.edit(token_records_sha256=sha256(self.tokens))

    def replace_tokens(self, **arrays: Any) -> None:
        """Change arrays of the tokens, and their hash."""
        trace = replace(Trace.read_parquet(self.tokens), **arrays)
        trace.write_parquet(self.tokens)
        self.edit(
            tokens=trace.num_tokens, sampled_tokens=int(trace.sampled.sum()), signal_tokens=len(trace.predictions)
        )
        self.rehash()

    def forge(self, **arrays: Any) -> None:
        """Change arrays of the tokens, and all that follows from them: hash, columns and counts."""
        self.replace_tokens(**arrays)
        self.recompute()

    def keep(self, tokens: NDArray[np.bool_]) -> None:
        """Leave the other tokens away, and recompute all that follows."""
        trace = Trace.read_parquet(self.tokens)
        kept = dict.fromkeys(OF_SAMPLE, tokens[trace.sampled]) | dict.fromkeys(OF_SIGNALS, tokens[trace.signalled])
        self.forge(**{name: array[kept.get(name, tokens)] for name, array in vars(trace).items()})

    def twin(self) -> None:
        """The same row once more, under another configuration."""
        path = self.path.with_name("oracle-00000000.json")
        shutil.copy(self.tokens, path.with_suffix(".parquet"))
        path.write_text(json.dumps(self.row | {"configuration": "00000000"}))

    def recompute(self) -> None:
        list(recompute(self.path.parent))
        (self.path.parent / "table.csv").unlink()
        Store(self.results).write_table()

    def __getattr__(self, name: str) -> Any:
        """An array of the tokens, to change."""
        return getattr(Trace.read_parquet(self.tokens), name).copy()

    def move(self, model: str) -> None:
        """To another folder, as if it were of another model."""
        self.path.parent.parent.rename(self.results / model)
        (self.path,) = (self.results / model).rglob("*.json")
        self.tokens = self.path.with_suffix(".parquet")

    def rebound(self, **columns: Any) -> None:
        """Change what layers cost, and the bounds that follow from it."""
        self.edit(**columns)
        self.recompute()
