"""Hand the trained models to the benchmark: a model file, both studies by ordinary sessions, and the findings."""

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from benchmark.atomic_files import atomic_file
from examples.zoo.entries import Model, Workloads
from examples.zoo.seeds import as_text, differences, final_models
from examples.zoo.training import RECORD

WELL_BELOW = 0.85
"""A model has learned when its held-out loss is at most this share of what a unigram loses."""
WORKLOADS = ("zoo_functions", "zoo_prose")
_ROOT = Path(__file__).parents[2]


def losses(model: Model, home: Path) -> dict[int, dict[str, Any]]:
    """Return the records of a model's checkpoints by step, in their order."""
    folders = (home / model.name / f"checkpoint-{step}" for step in model.entry.saved_at)
    records = [json.loads((folder / RECORD).read_text(encoding="utf-8")) for folder in folders if folder.is_dir()]
    return {record["step"]: record for record in records}


def why_not_measured(model: Model, home: Path) -> str | None:
    """Return why a model is not measured, in one line that begins with its name; None of one that has learned."""
    records = losses(model, home)
    if len(records) < len(model.entry.saved_at):
        return f"{model.name}: not measured: {len(records)} of {len(model.entry.saved_at)} checkpoints are there"
    falling = [record["held_out_loss"] for record in records.values()]
    told = ", ".join(f"{loss:.3f}" for loss in falling)
    unigram = next(iter(records.values()))["unigram_loss"]
    if not all(later < earlier for earlier, later in pairwise(falling)):
        return f"{model.name}: not measured: its held-out loss does not fall from checkpoint to checkpoint: {told}"
    if not falling[-1] <= WELL_BELOW * unigram:
        return f"{model.name}: not measured: its held-out loss {told} is not well below a unigram's {unigram:.3f}"
    return None


def write_models(models: Sequence[Model], home: Path) -> Path:
    """Write the model file of the benchmark, with the checkpoints of each as revisions, and return its path."""
    entries = []
    for model in models:
        stage = "instruct" if model.base else "early-exit" if model.entry.exit_loss else "base"
        entry: dict[str, Any] = {"path": model.name, "family": "Zoo", "stage": stage}
        if model.base is not None:
            entry["base_model"] = f"{model.base.name}@checkpoint-{model.base.entry.steps}"
        entry["revisions"] = [f"checkpoint-{step}" for step in model.entry.saved_at]
        entries.append(entry)
    with atomic_file(home / "models.yaml") as draft:
        draft.write_text(yaml.safe_dump({"models": entries}, sort_keys=False), encoding="utf-8")
    return home / "models.yaml"


def write_losses(models: Sequence[Model], home: Path) -> Path:
    """Write what each checkpoint of each model loses on held-out text, as one JSON file, and return its path."""
    table = {
        model.name: [
            {name: record[name] for name in ("step", "held_out_loss", "unigram_loss")}
            for record in losses(model, home).values()
        ]
        for model in models
    }
    with atomic_file(home / "losses.json") as draft:
        draft.write_text(json.dumps(table, indent=1), encoding="utf-8")
    return home / "losses.json"


def measure(models: Sequence[Model], home: Path, asked: Workloads, results: Path, workers: int) -> int:
    """Run both studies over models, print what the rows come to, and return 0 or the first exit code that is not.

    The signals of all tokens, which gates need, are kept of final checkpoints only: they are most of a row's bytes.

    Args:
        models: those that have learned.
        home: folder of the models.
        asked: which gates and policies.
        results: folder of the rows.
        workers: how many models are measured at a time.
    """
    files = [option for name in WORKLOADS for option in ("--workload-file", str(home / "text" / f"{name}.yaml"))]
    names = [option for name in WORKLOADS for option in ("--workload", name)]
    model_file = ["--model-file", str(write_models(models, home))]
    session = ["-m", "pytest", "suites/", *model_file, *files, *names, "--results-dir", str(results), "--device", "cpu"]
    session += [f"--gate={gate}" for gate in asked.gates] + [f"--policy={policy}" for policy in asked.policies]
    session += ["-n", str(workers)] if workers > 1 else []
    final = [f"--model={model.name}@checkpoint-{model.entry.steps}" for model in models]
    earlier = [f"--model={model.name}@checkpoint-{step}" for model in models for step in model.entry.saved_at[:-1]]
    codes = [_run(*session, "--signals", "all", *final)]
    if earlier:
        codes.append(_run(*session, *earlier))
    codes.append(_run("-m", "benchmark", "findings", str(results)))
    if codes[-1] == 0:
        print(as_text(differences(final_models(results))), flush=True)
    return next((code for code in codes if code), 0)


def _run(*arguments: str) -> int:
    return subprocess.run([sys.executable, *arguments], cwd=_ROOT, check=False).returncode  # noqa: S603 - our own words
