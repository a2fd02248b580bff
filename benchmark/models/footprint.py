"""What a model takes of a machine: memory once it is loaded, and disk."""

import json

import torch

from benchmark.errors import CannotRun
from benchmark.inputs.model_entry import ModelEntry
from benchmark.models import gguf_convert, hardware
from benchmark.models.gguf_header import num_weights
from benchmark.models.hub import weight_files
from benchmark.models.source import Machine, Source

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8}
"""Of a weight."""
SAVED_BYTES = 2
"""Of a weight, when nobody has said and the files are not here: 16 bit, as nearly all checkpoints are."""
_CONVERTED_BYTES = 4
"""Of a weight of a GGUF file, which is kept in float32."""
MEMORY_MARGIN = 1.2
"""Weights, plus room for activations, the KV cache and one step's logits."""


def loaded_bytes(spec: ModelEntry, machine: Machine, stored: int) -> float:
    """Bytes a weight takes once it is loaded; `stored` when it keeps the type it was saved in."""
    if spec.quantization is not None:
        return {"8bit": 1.0, "4bit": 0.5}[spec.quantization]
    return BYTES.get(machine.dtype or spec.dtype, stored)


def footprint(entry: ModelEntry, machine: Machine, source: Source) -> tuple[float, float]:
    """Return the memory that a model takes once it is loaded, and the disk to convert it, in bytes."""
    if source.is_gguf:
        weights = num_weights(source.path)
        kept = source.revision.removeprefix("sha256:")[:16]
        converted = any((gguf_convert.cache_folder() / "gguf").glob(f"{kept}-*"))
        memory = weights * loaded_bytes(entry, machine, _CONVERTED_BYTES)
        return memory * MEMORY_MARGIN, 0 if converted else weights * _CONVERTED_BYTES
    weight_bytes = sum(file.stat().st_size for file in weight_files(source.path))
    config = json.loads((source.path / "config.json").read_bytes())
    saved_as = getattr(torch, str(config.get("dtype") or config.get("torch_dtype")), None)
    stored = saved_as.itemsize if isinstance(saved_as, torch.dtype) else SAVED_BYTES
    return weight_bytes / stored * loaded_bytes(entry, machine, stored) * MEMORY_MARGIN, 0


def published_footprint(entry: ModelEntry, machine: Machine) -> tuple[float, float] | None:
    """Return the same of a model that is not on this machine, by its published size; None if the entry has none."""
    if entry.parameters is None:
        return None
    memory = entry.parameters * loaded_bytes(entry, machine, SAVED_BYTES) * MEMORY_MARGIN
    return memory, entry.parameters * SAVED_BYTES


def refuse_unfit_weights(weight_bytes: int, spec: ModelEntry, machine: Machine) -> None:
    """Make sure that the weights of a model fit into memory.

    Raises:
        CannotRun: they do not.
    """
    free = hardware.free_memory_everywhere() if spec.device_map else hardware.free_memory(machine.device)
    remedy = "use a larger machine, a smaller dtype, or 'quantization' or 'device_map' in the entry"
    refuse_large(weight_bytes, free, machine.device, remedy)


def refuse_large(weight_bytes: int, free: int, device: torch.device, remedy: str) -> None:
    """Make sure that weights, with room to run, fit into the bytes that are free.

    Raises:
        CannotRun: they do not; says the remedy.
    """
    needed = int(weight_bytes * MEMORY_MARGIN)
    if needed > free:
        raise CannotRun(
            f"needs about {needed / 1e9:.3g} GB of memory, {free / 1e9:.3g} GB are free on {device.type}", remedy
        )
