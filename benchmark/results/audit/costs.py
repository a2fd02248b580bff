"""What a token cannot cost: bytes, FLOPs and kinds of layers must fit each other, the dtype and the parameters.

Costs are read off the model and not computed from tokens, so this is all that can be said of them without it.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

from benchmark.results.audit.fault import Fault, told
from benchmark.results.row import Row
from benchmark.trace.costs import architecture, costs_of_columns

_PER_LAYER = re.compile(r"layer_(kind|bytes|flops|owed_bytes|owed_flops|(active_)?expert_bytes)")
_KIND = re.compile(r"(attention|recurrent|attention\+recurrent|mlp)(\+moe)?|moe")
_MIXER = re.compile("attention|recurrent")
_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
_NORMS_AND_BIASES = 1.5
"""Bytes a layer reads, over those of its weight matrices, at most. Of 253 tiny models, where norms weigh most: 1.08."""
_READ_TWICE = 1.1
"""Bytes a token reads, over those of all active parameters, at most, where layers share no weights. In these: 1.02."""
_READ_AT_ALL = 0.4
"""Bytes a token reads, with the head once more for a table of tokens, over those of all active parameters, at least.
In these 0.84, decoders that were made for an encoder 0.67, and less only where most weights hear or see."""
_WIDEST = 64
"""Weights of a layer, over the square of the states' size, at most. Of models that were published up to 27."""
_NARROWEST = 0.1
"""The same, at least. In these: 0.3."""
_SHARED = 2 / 3
"""Layers that use the keys and values of an earlier one, at most, over all that have a cache. Known: 0.57."""
_WITHOUT_CACHE = ("2018", "2019")
"""Released then, a model may know no cache at all: GPT, XLM, XLNet."""
_QUANTIZED = 1.8
"""Bytes of a weight below which it must be quantized: 8 bit and its scales."""


def impossible_costs(row: Row) -> Iterator[Fault]:
    """What is wrong with the columns that say what a token costs, and with the type they are counted in.

    Args:
        row: of a case that went well; it may be of a model that does not show what a token costs.
    """
    if row.dtype not in (None, *_BYTES):
        yield Fault("dtype", f"is {told(row.dtype)}, none of {', '.join(_BYTES)}")
        return
    columns = {column: value for column, value in row.model_dump().items() if _PER_LAYER.fullmatch(column)}
    known = {column: value for column, value in columns.items() if value is not None}
    broken = {column for column, value in known.items() if len(value) != row.num_layers}
    for column in sorted(broken):
        yield Fault(column, f"has {len(known[column])} entries, and the model {row.num_layers} layers")
    told_of = {"layer_kind", "layer_bytes", "layer_flops", "layer_active_expert_bytes", "layer_expert_bytes"}
    rest = [row.head_bytes, row.head_flops, row.embedding_bytes, row.embedding_flops, row.active_parameters]
    if not known and row.architecture is not None:
        yield Fault("architecture", "is read off the layers, of which the row has nothing")
    if broken or not known:
        return
    if not told_of <= known.keys() or None in rest or len(known) not in (5, 7):
        yield Fault("layer_bytes", "some columns of what a token costs are there, and others are not")
        return
    for number, kind in enumerate(known["layer_kind"], start=1):
        if not _KIND.fullmatch(kind):
            yield Fault("layer_kind", f"layer {number} is of the unknown kind {told(kind)}")
            return
    if len(known) == 7:
        yield from _owed(row, known)
    yield from _experts(known)
    costs = costs_of_columns(row.model_dump())
    if costs is not None and row.architecture not in ("encoder", "encoder-decoder", architecture("causal", costs)):
        yield Fault("architecture", f"is {told(row.architecture)}, but its layers are {architecture('causal', costs)}")
    if row.quantization is None:
        yield from _weights(row, known["layer_bytes"], known["layer_flops"])


def _owed(row: Row, known: dict[str, Any]) -> Iterator[Fault]:
    """What skipped layers owe to the cache: something, and not more than all of it."""
    for unit in ("bytes", "flops"):
        owed = known[f"layer_owed_{unit}"]
        if any(part > whole for whole, part in zip(known[f"layer_{unit}"], owed, strict=True)):
            yield Fault(f"layer_owed_{unit}", f"a layer owes more than all of its layer_{unit}")
        caches = [part for kind, part in zip(known["layer_kind"], owed, strict=True) if _MIXER.match(kind)]
        if row.architecture == "encoder" or (row.released or "").startswith(_WITHOUT_CACHE) or not caches:
            continue
        if caches[0] == 0 or caches.count(0) > _SHARED * len(caches):
            yield Fault(
                f"layer_owed_{unit}",
                f"{caches.count(0)} of {len(caches)} layers with attention or a recurrence owe nothing to their cache",
            )


def _experts(known: dict[str, Any]) -> Iterator[Fault]:
    """A layer with a router reads some of its experts' bytes, and a layer without one has no experts."""
    per_layer = (known[f"layer_{name}"] for name in ("kind", "bytes", "active_expert_bytes", "expert_bytes"))
    for number, (kind, read, active, every) in enumerate(zip(*per_layer, strict=True), start=1):
        if (active > 0) != kind.endswith("moe") or (every > 0) != (active > 0):
            yield Fault("layer_expert_bytes", f"layer {number} is of the kind {kind}, and its experts {every} bytes")
        elif active > min(every, read):
            yield Fault("layer_active_expert_bytes", f"layer {number} reads {active} bytes of {every} of experts")


def _weights(row: Row, layer_bytes: list[int], layer_flops: list[int]) -> Iterator[Fault]:
    """Of a model that is not quantized while loading: two FLOPs a weight, and as many bytes as its type has."""
    size = _BYTES[row.dtype or "float32"]
    head_bytes, head_flops, tokens = row.head_bytes or 0, row.head_flops or 0, row.vocab_size or 1
    parts = [("layer_bytes", read, flops) for read, flops in zip(layer_bytes, layer_flops, strict=True)]
    for column, read, flops in [*parts, ("head_bytes", head_bytes, head_flops)]:
        of_a_weight = 2 * read / flops if flops else float(size)
        if _QUANTIZED < of_a_weight < size * 0.999 or of_a_weight > size * _NORMS_AND_BIASES:
            yield Fault(column, f"{of_a_weight:.3g} bytes a weight, by its FLOPs, are not those of {row.dtype}")
            return
    if head_flops < 2 * tokens:
        yield Fault("vocab_size", f"an output head of {head_flops:,} FLOPs has no {tokens:,} tokens")
    read = sum(layer_bytes) + head_bytes + (row.embedding_bytes or 0)
    active = (row.active_parameters or row.parameters or 0) * size
    if row.architecture in ("dense", "moe", "ssm", "hybrid") and read + head_bytes < active * _READ_AT_ALL:
        yield Fault("layer_bytes", f"a token reads {read:,} bytes, far fewer than the {active:,} of active parameters")
    # Hybrids and encoders may use the same weights in several layers, and read them each time.
    if row.architecture not in ("dense", "moe", "ssm"):
        return
    if read > (active or math.inf) * _READ_TWICE:
        yield Fault("layer_bytes", f"a token reads {read:,} bytes, more than all active parameters are")
    if row.device == "cpu" and (row.peak_memory_bytes or math.inf) < sum(layer_bytes) + head_bytes:
        yield Fault("peak_memory_bytes", f"{row.peak_memory_bytes:,} bytes do not hold the weights that a token reads")
    # The head has a row of the states' size for every token.
    width = head_flops / 2 / tokens
    if width < math.sqrt(min(layer_flops) / 2 / _WIDEST):
        yield Fault("head_flops", f"a head of {head_flops:,} FLOPs is too small for such layers and {tokens:,} tokens")
    if min(layer_flops) / 2 < width**2 * _NARROWEST:
        yield Fault("layer_flops", f"a layer of {min(layer_flops):,} FLOPs does nothing with states of such a head")
