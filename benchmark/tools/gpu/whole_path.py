"""A case as a person runs it, on the device: from a model folder to a row on disk, which is then checked."""

import tempfile
from pathlib import Path

import torch

from benchmark.cases.job import Job, run_job
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.model_entry import load_models
from benchmark.inputs.settings import CaptureSettings
from benchmark.metrics.scoring import Scoring
from benchmark.models.hub import Hub
from benchmark.results.audit.check import check
from benchmark.results.store import Store
from benchmark.tools.gpu.journal import Figures
from benchmark.tools.gpu.sizes import Sizes
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer

_TOLD = (
    "status",
    "device",
    "accelerator",
    "driver",
    "dtype",
    "batch_size",
    "with_cache",
    "tokens",
    "reread_tokens",
    "reread_differing",
    "peak_memory_bytes",
    "generate_seconds",
    "oracle_seconds",
    "exit_layer_mean",
)
_OF_THE_CHECKOUT = ("harness_commit", "harness_dirty", "max_new_tokens", "limited")
"""What `check` refuses in rows to be published, and a try may be: code that is not committed, texts that are short."""


def whole_path(dtype: str, device: torch.device, sizes: Sizes, figures: Figures) -> None:
    """Measure a tiny model that was saved to a folder, on a workload that ships here; fill in row and faults."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny_model("llama", "causal", max_position_embeddings=2048).save_pretrained(folder / "tiny")
        tiny_tokenizer().save_pretrained(folder / "tiny")
        listed = folder / "models.yaml"
        listed.write_text("models:\n- path: tiny\n", encoding="utf-8")
        (entry,) = load_models(listed)
        (workload,) = [one for one in load_workloads() if one.name == "translation"]
        settings = CaptureSettings(
            device="cuda" if device.type == "cuda" else "cpu",
            dtype=dtype,
            max_new_tokens=sizes.new_tokens,
            limit=sizes.prompts if sizes.tiny else None,
            signals="all",
        )
        store = Store(folder / "results")
        store.check_writable()
        row = run_job(Job(entry, workload, settings, Scoring()), store)
        store.write_table()
        columns = row.model_dump()
        figures |= {column: columns.get(column) for column in _TOLD}
        verdicts = list(check(store.folder, {entry.name: entry}, Hub(download=False)))
        faults = [fault for verdict in verdicts for fault in verdict.faults if fault.column not in _OF_THE_CHECKOUT]
        figures["files_checked"] = len(verdicts)
        figures["faults"] = [f"{fault.column}: {fault.problem}" for fault in faults]
