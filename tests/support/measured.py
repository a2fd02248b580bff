"""Real rows: tiny models of every kind, measured from files on disk to files on disk."""

from pathlib import Path
from typing import Any

import torch

from benchmark.cases.case import Case, Settings
from benchmark.cases.resources import Model, Workload
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.model_entry import load_models
from benchmark.metrics.experiments import EXPERIMENTS, TAU
from benchmark.models.hub import Hub
from benchmark.models.locate import Machine
from benchmark.results.store import Store
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer

KINDS = {
    "dense": ("llama", "causal", "translation"),
    "moe": ("mixtral", "causal", "translation"),
    "ssm": ("mamba", "causal", "translation"),
    "hybrid": ("jamba", "causal", "translation"),
    "encoder-decoder": ("t5", "encoder-decoder", "translation"),
    "encoder": ("modernbert", "masked", "masked_passages"),
}
"""Of each architecture a model type, how it is run, and a workload for it."""
CLEAN = {"harness_commit": "c0ffee" + "0" * 34, "harness_dirty": False}


def measure(folder: Path, kind: str = "dense", name: str = "tiny", **settings: Any) -> Path:
    """Measure a full case into `folder/results` and its table; returns the file of its row.

    The model file is `folder/models.yaml`. The row says that it was measured with a clean checkout, whatever state the
    one is in that the tests run in.
    """
    case = fresh_case(folder, kind, name, **settings)
    case.measure(lambda tokens, prompts: None)
    assert case.trace is not None
    for experiment, columns in EXPERIMENTS.items():
        case.record(experiment, columns(case.trace, case.choices))
    assert case.row is not None
    case.store.write(case.path, case.row.model_copy(update=CLEAN))
    case.store.write_table()
    return case.path


def fresh_case(folder: Path, kind: str = "dense", name: str = "tiny", **settings: Any) -> Case:
    """The same case before it is measured."""
    model_type, task, workload = KINDS[kind]
    if not (folder / name).exists():
        tiny_model(model_type, task, max_position_embeddings=2048).save_pretrained(folder / name)
        tiny_tokenizer().save_pretrained(folder / name)
        listed = "models:\n" if not (folder / "models.yaml").exists() else (folder / "models.yaml").read_text()
        (folder / "models.yaml").write_text(f"{listed}- path: {name}\n")
    asked = {
        "dtype": None,
        "limit": None,
        "max_new_tokens": 5,
        "batch_size": 8,
        "alpha": 0.5,
        "seed": 0,
        "tau": TAU,
        "top_k": 3,
        "sample": 20,
    } | settings
    machine = Machine(torch.device("cpu"), asked.pop("dtype"), trust_remote_code=False)
    hub, store = Hub(download=False), Store(folder / "results")
    (spec,) = [spec for spec in load_models(folder / "models.yaml") if spec.name == name]
    (chosen,) = [spec for spec in load_workloads() if spec.name == workload]
    return Case(
        Model(spec, hub, machine, announce=lambda text: None),
        Workload(chosen, hub, asked["limit"]),
        Settings(machine=machine, **asked),
        store,
    )
