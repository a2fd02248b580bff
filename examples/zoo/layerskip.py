"""Training for early exit by LayerSkip's recipe (arXiv 2404.16710): a loss at exits, and layers that are dropped.

Layer l of L (from 0) is dropped for a text with p = S(t) D(l) p_max, where D grows with depth and S with training, both
from 0 to 1 as exp(x ln 2) - 1. Exits are read out by the model's own norm and head. Their losses weigh e_scale times
the sum of the layers before, and at each step only every R-th layer has one, and the last.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from examples.zoo.entries import ExitLoss


def drop_rates(recipe: ExitLoss, layers: int, step: int, steps: int) -> list[float]:
    """Return how often each layer is dropped at a step (from 0)."""
    through = step / max(1, steps - 1)
    return [recipe.dropout * _growth(through) * _growth(layer / (layers - 1)) for layer in range(layers)]


def _growth(share: float) -> float:
    return 2.0**share - 1


def exit_weights(recipe: ExitLoss, layers: int, step: int) -> dict[int, float]:
    """Return the layers (from 0) that have a loss at a step, with their weights, whose sum is 1."""
    weights = {
        layer: recipe.scale * sum(range(layer + 1))
        for layer in range(layers - 1)
        if layer % recipe.rotation == step % recipe.rotation
    }
    weights[layers - 1] = layers - 1 + recipe.scale * sum(range(layers - 1))
    total = sum(weights.values())
    return {layer: weight / total for layer, weight in weights.items() if weight}


@contextmanager
def dropped(model: LlamaForCausalLM, rates: list[float], draw: torch.Generator) -> Iterator[list[Tensor]]:
    """Drop layers at random, each text for itself, in the forward passes of the block.

    Args:
        model: whose layers return the states alone.
        rates: how often each is dropped.
        draw: what chance comes from.

    Yields:
        A list that the states behind each layer are appended to.
    """
    states: list[Tensor] = []

    def hook(rate: float) -> Any:
        def keep(_: object, given: tuple[Tensor, ...], made: Tensor) -> Tensor:
            kept = torch.rand(len(made), 1, 1, generator=draw) >= rate
            states.append(torch.where(kept, made, given[0]))
            return states[-1]

        return keep

    layers = zip(model.model.layers, rates, strict=True)
    handles = [layer.register_forward_hook(hook(rate)) for layer, rate in layers]
    try:
        yield states
    finally:
        for handle in handles:
            handle.remove()


def exit_logits(
    model: LlamaForCausalLM, recipe: ExitLoss, ids: Tensor, step: int, steps: int, seed: int
) -> list[tuple[float, Tensor]]:
    """Return the logits of the exits that have a loss at a step, each with its weight.

    Args:
        model: a dense one.
        recipe: of LayerSkip.
        ids: texts × tokens.
        step: from 0.
        steps: of the whole training.
        seed: with the step, decides which layers are dropped.
    """
    layers = len(model.model.layers)
    draw = torch.Generator().manual_seed(seed * 1_000_003 + step)
    with dropped(model, drop_rates(recipe, layers, step, steps), draw) as states:
        last = model(input_ids=ids, use_cache=False).logits
    weights = exit_weights(recipe, layers, step)
    return [
        (weight, last if layer == layers - 1 else model.lm_head(model.model.norm(states[layer])))
        for layer, weight in weights.items()
    ]
