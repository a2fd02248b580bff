"""What a token cannot cost: bytes, FLOPs and kinds of layers must fit each other, the dtype and the parameters.

Costs are read off the model and not computed from tokens, so this is all that can be said of them without it.
"""

import math
import re
from collections.abc import Iterator

from benchmark.columns import costs_of_row
from benchmark.costs import architecture
from benchmark.row import Row
from benchmark.verdict import Fault, told

_PER_LAYER = re.compile(r"layer_(kind|bytes|flops|owed_bytes|owed_flops)")
_KIND = re.compile(r"(attention|recurrent|attention\+recurrent|mlp)(\+moe)?|moe")
_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
_NORMS_AND_BIASES = 1.5
"""Bytes a layer reads, over those of its weight matrices, at most. Of 253 tiny models, where norms weigh most: 1.08."""
_READ_TWICE = 1.1
"""Bytes a token reads, over those of all active parameters, at most, where layers share no weights. In these: 1.02."""
_QUANTIZED = 1.8
"""Bytes of a weight below which it must be quantized: 8 bit and its scales."""


def impossible_costs(row: Row) -> Iterator[Fault]:
    """What is wrong with the columns that say what a token costs; nothing if the row has none."""
    columns = {column: value for column, value in row.model_dump().items() if _PER_LAYER.fullmatch(column)}
    known = {column: value for column, value in columns.items() if value is not None}
    broken = {column for column, value in known.items() if len(value) != row.num_layers}
    for column in sorted(broken):
        yield Fault(column, f"has {len(known[column])} entries, and the model {row.num_layers} layers")
    told_of = {"layer_kind", "layer_bytes", "layer_flops"}
    rest = [row.head_bytes, row.head_flops, row.embedding_bytes, row.embedding_flops, row.active_parameters]
    if broken or not known:
        return
    if not told_of <= known.keys() or None in rest or len(known) not in (3, 5):
        yield Fault("layer_bytes", "some columns of what a token costs are there, and others are not")
        return
    for number, kind in enumerate(known["layer_kind"], start=1):
        if not _KIND.fullmatch(kind):
            yield Fault("layer_kind", f"layer {number} is of the unknown kind {told(kind)}")
            return
    for unit in ("bytes", "flops") if len(known) == 5 else ():
        pairs = zip(known[f"layer_{unit}"], known[f"layer_owed_{unit}"], strict=True)
        if any(owed > all_of_it for all_of_it, owed in pairs):
            yield Fault(f"layer_owed_{unit}", f"a layer owes more than all of its layer_{unit}")
    costs = costs_of_row(row)
    if costs is not None and row.architecture not in ("encoder", "encoder-decoder", architecture("causal", costs)):
        yield Fault("architecture", f"is {told(row.architecture)}, but its layers are {architecture('causal', costs)}")
    if row.quantization is None:
        yield from _weights(row, known["layer_bytes"], known["layer_flops"])


def _weights(row: Row, layer_bytes: list[int], layer_flops: list[int]) -> Iterator[Fault]:
    """Of a model that is not quantized while loading: two FLOPs a weight, and as many bytes as its type has."""
    size = _BYTES.get(row.dtype or "")
    if size is None:
        yield Fault("dtype", f"is {told(row.dtype)}, none of {', '.join(_BYTES)}")
        return
    parts = [("layer_bytes", read, flops) for read, flops in zip(layer_bytes, layer_flops, strict=True)]
    for column, read, flops in [*parts, ("head_bytes", row.head_bytes or 0, row.head_flops or 0)]:
        of_a_weight = 2 * read / flops if flops else float(size)
        if _QUANTIZED < of_a_weight < size * 0.999 or of_a_weight > size * _NORMS_AND_BIASES:
            yield Fault(column, f"{of_a_weight:.3g} bytes a weight, by its FLOPs, are not those of {row.dtype}")
            return
    if (row.head_flops or 0) < 2 * (row.vocab_size or 0):
        yield Fault("vocab_size", f"an output head of {row.head_flops:,} FLOPs has no {row.vocab_size:,} tokens")
    # Hybrids and encoders may use the same weights in several layers, and read them each time.
    read = sum(layer_bytes) + (row.head_bytes or 0) + (row.embedding_bytes or 0)
    most = (row.active_parameters or row.parameters or math.inf) * size * _READ_TWICE
    if row.architecture in ("dense", "moe", "ssm") and read > most:
        yield Fault("layer_bytes", f"a token reads {read:,} bytes, more than all active parameters are")
