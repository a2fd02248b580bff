"""What the harness finds in a model, as text."""

import itertools
from collections.abc import Iterator

from benchmark.costs import architecture
from benchmark.loaded import LoadedModel


def report(loaded: LoadedModel) -> Iterator[str]:
    """Anatomy, kind, costs and the verdict of the proof, line by line. A model that is loaded has passed the proof."""
    anatomy = loaded.anatomy
    costs = loaded.costs
    if costs is None:
        yield "architecture  unknown: what a token costs cannot be read off this model"
        return
    active = "" if costs.active_parameters == costs.parameters else f", {costs.active_parameters:,} active"
    yield f"architecture  {architecture(loaded.task, costs)}, {costs.parameters:,} parameters{active}, {loaded.dtype}"
    yield f"layer stack   {anatomy.stack_path}, {anatomy.num_layers} layers"
    yield f"seam          {anatomy.seam_path}"
    number = 1
    for kind, group in itertools.groupby(
        costs.layers, key=lambda layer: (layer.kind, layer.weight_bytes, layer.owed_bytes)
    ):
        count = len(list(group))
        which = f"layer {number}" if count == 1 else f"layers {number}-{number + count - 1}"
        owed = "unknown" if kind[2] is None else f"{kind[2]:,}"
        yield f"{which:<13} {kind[0]}: {kind[1]:,} bytes a token each, {owed} of them owed to the cache when skipped"
        number += count
    yield f"head          {costs.head_bytes:,} bytes a token; embedding {costs.embedding_bytes:,}"
    together = "of equal length only" if loaded.recurrent else "padded"
    together = together if loaded.batchable else "no, one would change what is read of another"
    yield f"context       {'not stated' if loaded.context is None else f'{loaded.context:,} tokens'}"
    yield f"batches       {together}"
    yield "proof         passed: the readout of the last layer gives the model's logits, that of inner layers what the"
    yield "              model gives with the later layers passed through, and decoding writes what generate writes"
