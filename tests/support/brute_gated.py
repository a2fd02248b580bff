"""Gated decoding by its definition: a pass over the whole text for every token, without a cache and without our gates.

It shares nothing with what it is held against but the model, where its layers are, and how a state is read out. What a
policy gives is put in by hooks: under `propagate` the state that a position left with stands behind every deeper layer;
under `copy` the deeper layers' own projections say of the position what the exit layer's say.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.decoding.engines.given_text import start
from benchmark.models.tasks import forward_logits
from benchmark.readout.loaded_model import LoadedModel


@dataclass(frozen=True)
class Look:
    """What there is to see of one token behind one layer."""

    layer: int
    """Counted from 1."""
    said: int
    """The argmax."""
    p: Tensor
    """V probabilities, the largest first, float32."""
    cosine: float
    """To the state behind the layer before; NaN at the first."""
    full: int
    """What all layers say."""


Gate = Callable[[Sequence[Look]], bool]
"""From the looks at a token so far, the last one last, whether it leaves there."""


def max_prob(threshold: float) -> Gate:
    return lambda looks: bool(looks[-1].p[0] >= threshold)


def margin(threshold: float) -> Gate:
    return lambda looks: bool(looks[-1].p[0] - looks[-1].p[1] >= threshold)


def entropy(threshold: float) -> Gate:
    def leaves(looks: Sequence[Look]) -> bool:
        p = looks[-1].p
        return bool(1 - torch.special.entr(p).sum() / math.log(len(p)) >= threshold)

    return leaves


def saturation(threshold: float) -> Gate:
    return lambda looks: looks[-1].layer > 1 and looks[-1].cosine >= threshold


def patience(count: int) -> Gate:
    return lambda looks: len(looks) >= count and len({look.said for look in looks[-count:]}) == 1


def static(layer: int) -> Gate:
    return lambda looks: looks[-1].layer >= layer


def oracle() -> Gate:
    return lambda looks: looks[-1].said == looks[-1].full


def given(exits: Sequence[int]) -> Callable[[int], Gate]:
    """Gates for the tokens of a text, by their number, that leave where they are told to."""
    return lambda number: static(exits[min(number, len(exits) - 1)])


Text = tuple[list[int], list[int]]
"""Tokens, and the layer that each left at."""


def written_by_definition(
    loaded: LoadedModel,
    prompt: Sequence[int],
    new_tokens: int,
    gate_of: Callable[[int], Gate],
    looks: Sequence[int],
    policy: str,
) -> Text:
    """The text behind a prompt, up to the token that ends it.

    Args:
        loaded: the model.
        prompt: token ids.
        new_tokens: the most that are written.
        gate_of: which gate decides, by the number of the token.
        looks: layers at which it looks, counted from 1.
        policy: what deeper layers get.
    """
    text, encoded = start(loaded, prompt)
    last, left = loaded.anatomy.num_layers, {}
    tokens, exits = [], []
    for number in range(new_tokens):
        states: list[Tensor] = []
        with ExitStack() as stack:
            give(stack, loaded, left, policy, states)
            ids = torch.tensor([text])
            full = forward_logits(loaded.model, loaded.task, ids, encoded, last=1)[0]
        exit_layer, said = last, int(full.argmax())
        if number > 0:
            exit_layer, said = leaving(loaded, states, looks, gate_of(number), said)
        if exit_layer < last:
            left[len(text) - 1] = exit_layer
        tokens.append(said)
        exits.append(exit_layer)
        text = [*text, said]
        if said in loaded.end_ids:
            break
    return tokens, exits


def give(stack: ExitStack, loaded: LoadedModel, left: Mapping[int, int], policy: str, states: list[Tensor]) -> None:
    """Put in what positions that left give to deeper layers, and keep the state of the last position behind each."""
    anatomy, axis = loaded.anatomy, loaded.anatomy.position_axis
    before: list[Tensor] = []
    for number, layer in enumerate(anatomy.layers, start=1):
        deeper = [position for position, exit_layer in left.items() if exit_layer < number]

        def behind(_, __, output, layer=layer, deeper=deeper):
            state = layer.state_out(output).clone()
            if policy == "propagate":
                for position in deeper:
                    state.narrow(axis, position, 1).copy_(before[-1].narrow(axis, position, 1))
            before.append(state.clone())  # a layer may add to its input in place
            states.append(anatomy.last_position(state).clone())
            return layer.with_state(output, state)

        stack.callback(layer.module.register_forward_hook(behind).remove)
    if policy == "copy":
        for name in ("k_proj", "v_proj"):
            copy_projections(stack, loaded, left, name)


def copy_projections(stack: ExitStack, loaded: LoadedModel, left: Mapping[int, int], name: str) -> None:
    """Of positions that left, give deeper layers what the exit layer's projection of that name returned."""
    projected: list[Tensor] = []
    for number, layer in enumerate(loaded.anatomy.layers, start=1):

        def replaced(_, __, output, number=number):
            output = output.clone()
            for position, exit_layer in left.items():
                if exit_layer < number:
                    output[:, position] = projected[exit_layer - 1][:, position]
            projected.append(output)
            return output

        stack.callback(getattr(layer.module.self_attn, name).register_forward_hook(replaced).remove)


def leaving(loaded: LoadedModel, states: list[Tensor], looks: Sequence[int], gate: Gate, full: int) -> tuple[int, int]:
    """Where a token leaves, and what is said there."""
    axis = loaded.anatomy.batch_axis
    logits = loaded.readout.logits(torch.cat([states[layer - 1] for layer in looks], axis))[:, 0].float()
    seen: list[Look] = []
    for layer, row in zip(looks, logits, strict=True):
        p = row.softmax(-1).sort(descending=True).values
        cosine = math.nan
        if layer > 1:
            one, other = (states[number].flatten().double() for number in (layer - 2, layer - 1))
            cosine = float(one @ other / (one.norm() * other.norm()))
        seen.append(Look(layer, int(row.argmax()), p, cosine, full))
        if gate(seen):
            return layer, int(row.argmax())
    return loaded.anatomy.num_layers, full
