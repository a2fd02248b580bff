"""What the harness finds in a model, as text."""

import itertools
from collections.abc import Iterator

from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.costs import Costs, architecture


def report(loaded: LoadedModel) -> Iterator[str]:
    """Anatomy, kind, costs and the verdict of the proof, line by line. A model that is loaded has passed the proof."""
    anatomy = loaded.anatomy
    yield f"layer stack   {anatomy.stack_path}, {anatomy.num_layers} layers"
    yield f"seam          {anatomy.seam_path}"
    if loaded.costs is None:
        yield f"architecture  unknown, {_precision(loaded)}: what a token costs cannot be read off this model"
    else:
        yield from _costs(loaded, loaded.costs)
    together = "of equal length only" if loaded.recurrent else "padded"
    together += ", as each case proves" if loaded.streamed else ""
    yield f"context       {'not limited' if loaded.context is None else f'{loaded.context:,} tokens'}"
    yield f"batches       {together if loaded.batchable else 'no, one prompt would change what is read of another'}"
    yield "proof         passed: the readout of the last layer gives the model's logits, that of inner layers what the"
    yield "              model gives with the later layers passed through, no layer is missed in front or behind"
    if loaded.streamed:
        yield "              of them; its weights are streamed, so it decodes nothing and reads texts that are given"
    elif loaded.task != "masked":
        yield "              of them; decoding chooses the tokens that generate chooses, and its exits are those of the"
        how = "" if loaded.with_cache else ", which it runs for every token"
        yield f"              model's own forward pass{how}"


def _precision(loaded: LoadedModel) -> str:
    stored = "" if loaded.stored_as in (None, loaded.dtype) else f" (stored as {loaded.stored_as})"
    return f"{loaded.dtype}{stored}"


def _costs(loaded: LoadedModel, costs: Costs) -> Iterator[str]:
    active = "" if costs.active_parameters == costs.parameters else f", {costs.active_parameters:,} active"
    what = architecture(loaded.task, costs)
    yield f"architecture  {what}, {costs.parameters:,} parameters{active}, {_precision(loaded)}"
    number = 1
    for (kind, weight, owed), group in itertools.groupby(
        costs.layers, key=lambda layer: (layer.kind, layer.weight_bytes, layer.owed_bytes)
    ):
        count = len(list(group))
        which = f"layer {number}" if count == 1 else f"layers {number}-{number + count - 1}"
        owing = "unknown" if owed is None else f"{owed:,}"
        yield f"{which:<13} {kind}: {weight:,} bytes a token each, {owing} of them owed to the cache when skipped"
        number += count
    yield f"head          {costs.head_bytes:,} bytes a token; embedding {costs.embedding_bytes:,}"
