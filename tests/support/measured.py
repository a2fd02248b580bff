"""Real rows: tiny models of every kind, measured from files on disk to files on disk."""

from pathlib import Path
from typing import Any

from benchmark.cases.job import Job, located, run_job
from benchmark.cases.resources import Resources
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.model_entry import load_models
from benchmark.inputs.settings import CaptureSettings
from benchmark.metrics.scoring import TAU, Scoring
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
    job, store = fresh_job(folder, kind, name, **settings), Store(folder / "results")
    row = run_job(job, store)
    path = path_of(job, store)
    store.update(path, lambda row: row.model_copy(update=CLEAN))
    store.write_table()
    assert row.status == "ok"
    return path


def path_of(job: Job, store: Store) -> Path:
    """File of the row of a job."""
    return store.path(*located(job, Resources()).place)


def fresh_job(folder: Path, kind: str = "dense", name: str = "tiny", **settings: Any) -> Job:
    """The same case before it is measured; with `gated` or `clock`, one of another study."""
    model_type, task, workload = KINDS[kind]
    if not (folder / name).exists():
        tiny_model(model_type, task, max_position_embeddings=2048).save_pretrained(folder / name)
        tiny_tokenizer().save_pretrained(folder / name)
        listed = "models:\n" if not (folder / "models.yaml").exists() else (folder / "models.yaml").read_text()
        (folder / "models.yaml").write_text(f"{listed}- path: {name}\n")
    asked = {"max_new_tokens": 5, "batch_size": 8, "top_k": 3, "sample": 20} | settings
    alpha, tau = asked.pop("alpha", 0.5), asked.pop("tau", TAU)
    studies = {name: asked.pop(name) for name in ("gated", "clock") if name in asked}
    (entry,) = [entry for entry in load_models(folder / "models.yaml") if entry.name == name]
    (chosen,) = [entry for entry in load_workloads() if entry.name == workload]
    return Job(entry, chosen, CaptureSettings(**asked), Scoring(alpha, tau, asked.get("seed", 0)), **studies)
