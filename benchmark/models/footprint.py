"""What a model takes of a machine: memory once it is loaded, and disk.

Weights are counted from the headers of safetensors files: a checkpoint may be saved in another type than it is loaded
in, or packed. Where there are no headers, as before a download, the bytes tell, by what is usual for their packing.
"""

import json
import math
import re
import struct
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark.errors import CannotRun
from benchmark.inputs.model_entry import ModelEntry
from benchmark.models import hardware
from benchmark.models.gguf import convert
from benchmark.models.gguf.header import num_weights
from benchmark.models.hub import weight_files
from benchmark.models.packed import Packing, packing, quantization_of
from benchmark.models.source import Machine, Source

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8}
"""Of a weight."""
MEMORY_MARGIN = 1.2
"""Weights, plus room for activations, the KV cache and one step's logits."""
_SAVED_BYTES = 2
"""Of a weight, when nobody has said and the files are not here: 16 bit, as nearly all checkpoints are."""
_CONVERTED_BYTES = 4
"""Of a weight of a GGUF file, which is kept in float32."""
_QUANTIZED_BYTES = {"8bit": 1.0, "4bit": 0.5 + 4 / 64}
"""Of a weight that bitsandbytes packs while it is loaded; of 4 bit with one scale in float32 for 64 weights."""
_LEFT_ALONE = 0.25
"""Share of what is not packed, embeddings and heads, where nothing tells: that of gpt-oss-20b's bytes."""
STREAMED_STATES = 2**30
"""Bytes of states that a pass of a model may show whose weights are streamed, where it is not a CPU four times as many:
each pass reads all weights, so it shows many tokens."""
_LAYERS = 32
"""Of a model, where nothing tells."""
_LAYER = re.compile(r"(.*?)\.(\d+)\.")
"""How the names of a layer's tensors begin."""
_LONGEST_HEADER = 100_000_000
"""Bytes; the format allows no more."""


def footprint(entry: ModelEntry, machine: Machine, source: Source) -> tuple[float, float]:
    """Return the memory that a model takes once it is loaded, and the disk to convert it, in bytes."""
    if source.is_gguf:
        converted = convert.is_converted(source.sha256 or "")
        memory, disk = gguf_bytes(entry, machine, num_weights(source.path))
        return memory * MEMORY_MARGIN, 0 if converted else disk
    config = json.loads((source.path / "config.json").read_bytes())
    return loaded_bytes(entry, machine, config, weight_files(source.path)) * MEMORY_MARGIN, 0


def published_footprint(entry: ModelEntry, machine: Machine) -> tuple[float, float] | None:
    """Return the same of a model that is not on this machine, by its published size; None if the entry has none."""
    if entry.parameters is None:
        return None
    weights = entry.parameters * _average(entry, entry.parameters, _asked_bytes(entry, machine) or _SAVED_BYTES)
    if entry.streamed:
        weights = _streamed_share(machine, {}, weights, entry.parameters)
    return weights * MEMORY_MARGIN, entry.parameters * _SAVED_BYTES


def gguf_bytes(entry: ModelEntry, machine: Machine, weights: int) -> tuple[float, float]:
    """Return what so many weights of a GGUF file take in memory once they are loaded, and what converting them takes.

    They are converted in main memory, and kept on the disk.
    """
    each = _average(entry, weights, _asked_bytes(entry, machine) or _CONVERTED_BYTES)
    return weights * each, weights * _CONVERTED_BYTES


def loaded_bytes(entry: ModelEntry, machine: Machine, config: Mapping[str, Any], files: Sequence[Path] | int) -> float:
    """Return what the weights of a checkpoint take in memory once they are loaded.

    Of one that is streamed, that is what of them is there at once, and the states of a pass.

    Args:
        entry: says the type, and whether to quantize.
        machine: where they go to.
        config: the checkpoint's parsed `config.json`.
        files: with the weights; or how many bytes they have, when they are not here.

    Raises:
        CannotRun: they are packed in a way that this machine cannot run.
    """
    packed, saved = packing(config, machine), _saved_bytes(config)
    asked = _asked_bytes(entry, machine) or saved
    if not isinstance(files, int):
        tensors = [_tensors(file) for file in files]
        if all(tensors):
            size_of = _packed_bytes(packed) if packed else _plain_bytes(entry, config)
            if entry.streamed:
                return _streamed_bytes(
                    machine, [(each.name, size_of(each, asked)) for part in tensors for each in part]
                )
            return sum(size_of(tensor, asked) for each in tensors for tensor in each)
        files = sum(file.stat().st_size for file in files)
    asked, saved = asked or _SAVED_BYTES, saved or _SAVED_BYTES
    if packed is None:
        weights = files / saved
        if entry.streamed:
            return _streamed_share(machine, config, weights * asked, weights)
        return weights * _average(entry, weights, asked)
    if not packed.unpacked:
        return files
    return files * asked * (_LEFT_ALONE / saved + (1 - _LEFT_ALONE) * 8 / packed.bits)


@dataclass(frozen=True)
class _Tensor:
    """A tensor of a safetensors file, as its header has it."""

    name: str
    kind: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bits(self) -> int:
        """Of an element."""
        digits = re.search(r"\d+", self.kind)
        return int(digits[0]) if digits else 8

    @property
    def stays(self) -> bool:
        """Whether it is of numbers that a model may compute with, and no packed ones."""
        return self.kind in ("F64", "F32", "F16", "BF16")


def _packed_bytes(packed: Packing) -> Callable[[_Tensor, float | None], float]:
    def size(tensor: _Tensor, asked: float | None) -> float:
        if tensor.stays:
            return tensor.elements * (asked or tensor.bits / 8)
        if not packed.unpacked:
            return tensor.elements * tensor.bits / 8
        # Eight-bit numbers are weights one by one; whole numbers have several in one, and the scales beside them.
        weights = tensor.elements if tensor.kind.startswith("F8") else tensor.elements * tensor.bits / packed.bits
        return weights * (asked or _SAVED_BYTES)

    return size


def _plain_bytes(entry: ModelEntry, config: Mapping[str, Any]) -> Callable[[_Tensor, float | None], float]:
    text = config.get("text_config")
    words = config.get("vocab_size") or (text.get("vocab_size") if isinstance(text, dict) else None)

    def size(tensor: _Tensor, asked: float | None) -> float:
        # bitsandbytes packs matrices, and leaves embeddings and the head alone.
        if entry.quantization and len(tensor.shape) == 2 and words not in tensor.shape:
            return tensor.elements * _QUANTIZED_BYTES[entry.quantization]
        counts = tensor.stays or tensor.kind.startswith("F")
        return tensor.elements * ((asked if counts else None) or tensor.bits / 8)

    return size


def _streamed_bytes(machine: Machine, tensors: Sequence[tuple[str, float]]) -> float:
    """Return the memory of a model whose weights are streamed, from names and bytes of the tensors in its files."""
    stacks: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for name, size in tensors:
        if match := _LAYER.match(name):
            stacks[match[1]][match[2]] += size
    layers = max((list(stack.values()) for stack in stacks.values()), key=sum, default=[0.0])
    return _there_at_once(machine, sum(size for _, size in tensors) - sum(layers), max(layers))


def _streamed_share(machine: Machine, config: Mapping[str, Any], weight_bytes: float, weights: float) -> float:
    """Return the same of a model whose files are not here."""
    text = config.get("text_config")
    layers = config.get("num_hidden_layers") or (text.get("num_hidden_layers") if isinstance(text, dict) else None)
    outside = _share_outside(weights) * weight_bytes
    return _there_at_once(machine, outside, (weight_bytes - outside) / (layers if isinstance(layers, int) else _LAYERS))


def _there_at_once(machine: Machine, outside: float, layer: float) -> float:
    """Bytes of what stands outside the layers, of two layers, and of states.

    Two, because making the weights of one takes as much again where experts are put together. What stands outside
    counts one and a half times, as the head is kept in a second type where that makes products cheap.
    """
    return 1.5 * outside + 2 * layer + streamed_states(machine.device)


def streamed_states(device: torch.device) -> int:
    """Return how many bytes of states one pass may show of a model whose weights are streamed."""
    return STREAMED_STATES if device.type == "cpu" else 4 * STREAMED_STATES


def _tensors(file: Path) -> list[_Tensor]:
    """Tensors of a safetensors file; none if it is another file, or not whole."""
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(length)) if length <= _LONGEST_HEADER else {}
        header.pop("__metadata__", None)
        end = max((each["data_offsets"][1] for each in header.values()), default=0)
        if file.stat().st_size != 8 + length + end:
            return []
        return [_Tensor(name, str(each["dtype"]), tuple(each["shape"])) for name, each in header.items()]
    except (OSError, ValueError, struct.error, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return []


def _asked_bytes(entry: ModelEntry, machine: Machine) -> int | None:
    """Bytes of a weight, where a person says its type."""
    return BYTES.get(machine.dtype or entry.dtype)


def _saved_bytes(config: Mapping[str, Any]) -> int | None:
    """Bytes of a weight, where the checkpoint says the type of the model."""
    text = config.get("text_config")
    for part in (config, text if isinstance(text, dict) else {}):
        kind = getattr(torch, str(part.get("dtype") or part.get("torch_dtype")), None)
        if isinstance(kind, torch.dtype):
            return kind.itemsize
    return None


def _average(entry: ModelEntry, weights: float, plain: float) -> float:
    """Bytes of a weight, of all of a model's; `plain` of one that nothing packs."""
    if entry.quantization is None:
        return plain
    left = _share_outside(weights)
    return left * plain + (1 - left) * _QUANTIZED_BYTES[entry.quantization]


def _share_outside(weights: float) -> float:
    """Share of embeddings and head: they grow with the width of a model, and all the rest with its square."""
    return _LEFT_ALONE * min(1.0, (1e9 / weights) ** 0.5)


def refuse_unfit_weights(
    weight_bytes: float, entry: ModelEntry, machine: Machine, config: Mapping[str, Any] | None = None
) -> None:
    """Make sure that the weights of a model fit into memory.

    Args:
        weight_bytes: once they are loaded.
        entry: of the model.
        machine: where they go to.
        config: the checkpoint's parsed `config.json`; None for a GGUF file.

    Raises:
        CannotRun: they do not.
    """
    refuse_large(weight_bytes, free_for(entry, machine), machine.device, remedy_for(entry, machine, config))


def free_for(entry: ModelEntry, machine: Machine) -> int:
    """Return how many bytes are free where a model would go to."""
    spread = entry.device_map is not None and not entry.streamed
    return hardware.free_memory_everywhere() if spread else hardware.free_memory(machine.device)


def remedy_for(entry: ModelEntry, machine: Machine, config: Mapping[str, Any] | None = None) -> str:
    """Return what makes a model fit that does not; without its config it is one that is kept in float32."""
    saved = _CONVERTED_BYTES if config is None else _saved_bytes(config) or _SAVED_BYTES
    remedies = ["a larger machine"]
    if (_asked_bytes(entry, machine) or saved) > _SAVED_BYTES:
        remedies.append("a smaller dtype")
    packed = entry.quantization or quantization_of(config or {})
    fields = [] if packed or entry.streamed else ["'quantization'"]
    fields += ["'device_map'"] if machine.device.type != "cpu" and not entry.device_map else []
    if fields:
        remedies.append(f"{' or '.join(fields)} in the entry")
    return f"use {', '.join(remedies[:-1])} or {remedies[-1]}" if len(remedies) > 1 else f"use {remedies[0]}"


def refuse_large(weight_bytes: float, free: int, device: torch.device, remedy: str) -> None:
    """Make sure that weights, with room to run, fit into the bytes that are free.

    Raises:
        CannotRun: they do not; says the remedy.
    """
    needed = int(weight_bytes * MEMORY_MARGIN)
    if needed > free:
        raise CannotRun(
            f"needs about {needed / 1e9:.3g} GB of memory, {free / 1e9:.3g} GB are free on {device.type}", remedy
        )
