"""What a decoded token costs in each layer, read off one decoding step.

No list of class names. A short text is put into the cache; then one token is decoded while every layer is watched:
which parameters its result depends on (the autograd graph tells), which tensors of the cache it changed (those that
grew are keys and values, those that kept their size are a recurrent state), and through which parameters (their
gradient tells).
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import allow_mutation_on_saved_tensors
from transformers import DynamicCache, PreTrainedModel

from benchmark.anatomy.layers import Anatomy, Layer
from benchmark.anatomy.weight_watch import Part, Watch, elements_of, is_opaque, owned_parameters
from benchmark.models.tasks import forward_logits, input_device, run_encoder
from benchmark.trace.costs import Costs, LayerCost, Mixer, Task

# Short, so that no sliding window is full and every cache of keys and values still grows.
_PROMPT = 4


def read_costs(model: PreTrainedModel, anatomy: Anatomy, task: Task) -> Costs:
    """Decode one token and read off what it costs.

    Args:
        model: in evaluation mode; is given back as it was, also after an exception.
        anatomy: its layer stack.
        task: how it is run.

    Raises:
        MeasurementError: how many experts a token uses can be read neither off the model nor off its config.
    """
    watch = Watch(model, anatomy)
    # Offloaded weights that are tied are no longer the same tensor.
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    elements = {
        parameter: elements_of(parameter, owner)
        for path, owner, parameter in owned_parameters(model)
        if not (parameter.is_meta and path in tied)
    }
    with torch.inference_mode(False), _differentiable(model):
        vocab_size = _decode_one(model, task, watch)
    before, *stack, behind = watch.parts
    cached = all(part.grown or part.kept for part in stack)
    mixing = [True] * len(stack) if cached else _mixing(model, anatomy, task)
    idle = {
        use.parameter: elements[use.parameter] * (1 - use.share) for part in stack for use in part.uses if use.routed
    }
    return Costs(
        layers=tuple(_layer_cost(part, mixes) for part, mixes in zip(stack, mixing, strict=True)),
        head_bytes=round(sum(use.bytes for use in behind.uses)),
        head_flops=round(sum(use.flops for use in behind.uses)),
        embedding_bytes=round(sum(use.bytes for use in before.uses)),
        embedding_flops=round(sum(use.flops for use in before.uses)),
        parameters=sum(elements.values()),
        active_parameters=round(sum(elements.values()) - sum(idle.values())),
        vocab_size=vocab_size,
        task=task,
    )


def _layer_cost(part: Part, mixes: bool) -> LayerCost:
    mixer: Mixer = "attention+recurrent" if part.grown and part.kept else "recurrent" if part.kept else "attention"
    return LayerCost(
        mixer=mixer if part.grown or part.kept or mixes else "none",
        experts=any(use.routed for use in part.uses),
        weight_bytes=round(sum(use.bytes for use in part.uses)),
        flops=round(sum(use.flops for use in part.uses)),
        owed_bytes=None if part.owed is None else round(sum(use.bytes for use in part.owed)),
        owed_flops=None if part.owed is None else round(sum(use.flops for use in part.owed)),
        active_expert_bytes=round(sum(use.bytes for use in part.uses if use.routed)),
        expert_bytes=sum(use.parameter.numel() * use.parameter.element_size() for use in part.uses if use.routed),
    )


def _decode_one(model: PreTrainedModel, task: Task, watch: Watch) -> int:
    """Run a short text without and then one token with the watch; of an encoder, which has no cache, all of it.

    Returns the size of the vocabulary.
    """
    ids = torch.arange(5, 6 + _PROMPT, device=input_device(model))[None]
    name = "decoder_input_ids" if task == "encoder-decoder" else "input_ids"
    accepted = inspect.signature(model.forward).parameters
    given: dict[str, Any] = {"use_cache": task != "masked"} if "use_cache" in accepted else {}
    encoded = run_encoder(model, task, ids)
    if encoded is not None:  # what comes out of inference mode has no gradient
        given["encoder_outputs"] = type(encoded)(
            **{key: value.clone() if isinstance(value, Tensor) else value for key, value in encoded.items()}
        )
    if task != "masked":
        prompt, ids = ids.split([_PROMPT, 1], dim=1)
        with torch.no_grad():  # not inference mode: the token has to have gradients
            output = model(**{name: prompt}, **given)
            cache = {key: value for key, value in output.items() if key in accepted}
            if not cache and "past_key_values" in accepted:  # it keeps a part of its cache to itself
                cache = {"past_key_values": DynamicCache(config=model.config)}
                model(**{name: prompt}, **given, **cache)
        given |= cache
    with watch.hooks(), torch.enable_grad(), allow_mutation_on_saved_tensors():
        logits: Tensor = model(**{name: ids}, **given).logits
        watch.finish(logits)
    return logits.shape[-1]


def _mixing(model: PreTrainedModel, anatomy: Anatomy, task: Task) -> list[bool]:
    """Of each layer, whether what it makes of a state depends on the other positions: in order of the layers."""
    before = torch.arange(5, 5 + 2 * _PROMPT, device=input_device(model)).view(2, _PROMPT)
    ids = torch.cat([before, before[:1, :1].expand(2, 1)], dim=1)
    mixing: list[bool] = []

    def equal_last(state: Tensor) -> bool:
        """Whether two texts have the same last state; from here on they have."""
        first, second = anatomy.last_position(state).split(1, anatomy.batch_axis)
        # Far above rounding, far below what another text does to a state.
        equal = bool((first.float() - second.float()).abs().max() <= 1e-3 * first.float().abs().max())
        second.copy_(first)
        return equal

    def leave(layer: Layer) -> Callable[..., None]:
        return lambda module, args, output: mixing.append(not equal_last(layer.state_out(output)))

    with ExitStack() as stack:
        for layer in anatomy.layers:
            stack.callback(layer.module.register_forward_hook(leave(layer)).remove)
        forward_logits(model, task, ids, run_encoder(model, task, ids[:1]))
    return mixing


@contextmanager
def _differentiable(model: PreTrainedModel) -> Iterator[None]:
    """Inside the block every parameter that can have a gradient has one. The model is restored on leaving it."""
    asked = {parameter: parameter.requires_grad for parameter in model.parameters() if not is_opaque(parameter)}
    # Some modules keep a state of the text on themselves.
    kept = [
        (place, {name: value for name, value in place.items() if value is None or isinstance(value, Tensor)})
        for module in model.modules()
        for place in (vars(module), module._buffers)
    ]
    try:
        for parameter in asked:
            parameter.requires_grad_(True)
        yield
    finally:
        for parameter, was in asked.items():
            parameter.requires_grad_(was)
        for place, tensors in kept:
            place.update(tensors)
