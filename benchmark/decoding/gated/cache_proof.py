"""Whether entries of a cache can be copied: each layer has its own, and they are found where they are looked for."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from benchmark.anatomy.hooks import replaced_forward
from benchmark.anatomy.unchanged import unchanged
from benchmark.decoding.engine import Limits
from benchmark.decoding.gated.cache_entries import entries
from benchmark.decoding.gated.on_generate import decode_gated
from benchmark.decoding.gated.rule import Given
from benchmark.errors import MeasurementError
from benchmark.readout.loaded_model import LoadedModel


def refuse_entries_of_other_layers(loaded: LoadedModel, prompt: Sequence[int]) -> None:
    """Refuse a cache in which anything but the entries of layer k changes while layer k runs.

    Raises:
        MeasurementError: it does, or there are no entries that could be copied.
    """
    layers = loaded.anatomy.layers
    before: list[tuple[Tensor, Tensor]] = []
    with ExitStack() as stack:
        stack.enter_context(unchanged(loaded.model, loaded.rewritten))
        caches = stack.enter_context(_caches(loaded))

        def begin(*_: Any) -> None:
            if len(caches) == 2:  # the prompt has gone through all layers, now the next token does
                before[:] = _copies(caches[-1], len(layers))

        def behind(number: int) -> Callable[..., None]:
            def hook(*_: Any) -> None:
                if len(caches) != 2:
                    return
                after = _copies(caches[-1], len(layers))
                changed = [layer for layer, pair in enumerate(zip(before, after, strict=True)) if not _equal(*pair)]
                if changed != [number]:
                    raise MeasurementError(
                        f"while layer {number + 1} of {len(layers)} runs, the entries of the cache that change are not "
                        "its own"
                    )
                before[:] = after

            return hook

        stack.callback(layers[0].module.register_forward_pre_hook(begin).remove)
        for number, layer in enumerate(layers):
            stack.callback(layer.module.register_forward_hook(behind(number)).remove)
        ids = torch.tensor([list(prompt)], device=loaded.device)
        loaded.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=2)


def refuse_entries_not_copied(loaded: LoadedModel, prompt: Sequence[int], exits: Sequence[int]) -> None:
    """Refuse a cache that, behind a text with these exits, does not hold the exit layer's entries in deeper layers.

    Raises:
        MeasurementError: it does not.
    """
    with _caches(loaded) as caches:
        (text,) = decode_gated(loaded, [prompt], Limits(len(exits), 1), Given([exits]), "copy")
    kept = entries(caches[-1], loaded.anatomy.num_layers)
    for number, exit_layer in list(enumerate(text.exits))[1:]:
        position = number - len(text.exits)  # counted from the end of what went through the layers
        of_position = [(keys[:, :, position], values[:, :, position]) for keys, values in kept]
        if not all(_equal(of_position[exit_layer - 1], deeper) for deeper in of_position[exit_layer:]):
            raise MeasurementError(f"layers above exit {exit_layer} do not hold its entries of the cache")


@contextmanager
def _caches(loaded: LoadedModel) -> Iterator[list[Any]]:
    """Give a list of the caches that the model was called with inside the block, one of each call that has one."""
    caches: list[Any] = []
    forward = loaded.model.forward

    @wraps(forward)  # `generate` reads off its signature what it may be given
    def run(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("past_key_values") is not None:
            caches.append(kwargs["past_key_values"])
        return forward(*args, **kwargs)

    with replaced_forward(loaded.model, run):
        yield caches


def _copies(cache: Any, num_layers: int) -> list[tuple[Tensor, Tensor]]:
    return [(keys.clone(), values.clone()) for keys, values in entries(cache, num_layers)]


def _equal(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> bool:
    return all(torch.equal(first, second) for first, second in zip(one, other, strict=True))
