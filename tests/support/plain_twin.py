"""The plain twin of the reading: every logit of every exit, by its definition.

It shares nothing with what it is held against but the model and where its layers are: the model's own `generate`, or
one forward pass over a masked text, of one text at a time; the state behind every layer and every mixer; that state as
it enters the output head; its inner products with all rows of the head in double precision, rounded once. Where the
head is not linear, the model's own logits instead.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.readout.loaded_model import LoadedModel

States = dict[int, Tensor]
"""By the number of the layer, from 0."""


@dataclass(frozen=True)
class Plain:
    """What the twin finds for T tokens."""

    target: NDArray[np.int64]
    """T: the token that `generate` writes, or that the model fills in."""
    said: NDArray[np.int64]
    """T × L: the argmax of the logits that exits are told by; the lowest id among equals."""
    half_said: NDArray[np.int64]
    """T × L: the same of the states behind the mixers; -1 where there are none."""
    entered: NDArray[np.float64]
    """T × L × d: states as they enter the head."""
    logits: NDArray[np.float64]
    """T × L × V: the model's own."""
    states: NDArray[np.float64]
    """T × L × any: what the layers return."""
    unrounded: NDArray[np.float64]
    """T × L × V: in double precision from the head on, where it is linear; elsewhere the model's own."""


def together(parts: Sequence[Plain]) -> Plain:
    """The tokens of all parts."""
    return Plain(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def decoded_plainly(loaded: LoadedModel, prompts: Sequence[Sequence[int]], new_tokens: int) -> Plain:
    """The tokens that `generate` writes behind each prompt."""
    watch = _Watch(loaded)
    tokens: list[tuple[int, States, States]] = []

    def step(ids: Tensor, scores: Tensor) -> Tensor:
        tokens.append((int(scores.argmax()), *watch.last_positions()))
        return scores

    for prompt in prompts:
        ids = torch.tensor([prompt])
        with watch.watching(), torch.inference_mode():
            loaded.model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens, logits_processor=[step]
            )
    return _read(loaded, *zip(*tokens, strict=True))


def filled_plainly(
    loaded: LoadedModel, texts: Sequence[Sequence[int]], positions: Sequence[NDArray[np.int32]]
) -> Plain:
    """What an encoder fills in at the masked positions of each text."""
    watch, parts = _Watch(loaded), []
    for text, masked in zip(texts, positions, strict=True):
        ids = torch.tensor([text])
        ids[0, masked] = loaded.tokenizer.mask_token_id
        with watch.watching(), torch.inference_mode():
            logits = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
        tokens = [(int(logits[position].argmax()), *watch.position(int(position))) for position in masked]
        parts.append(_read(loaded, *zip(*tokens, strict=True)))
    return together(parts)


class _Watch:
    """Keeps what the layers return and what enters their second halves."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self._states: States = {}
        self._halves: States = {}

    def watching(self) -> ExitStack:
        """Watch inside the block."""
        stack = ExitStack()
        for index, (layer, half) in enumerate(zip(self._loaded.anatomy.layers, self._loaded.halves, strict=True)):

            def keep(_, __, output, index=index, layer=layer):
                self._states[index] = layer.state_out(output).clone()

            def keep_half(_, args, kwargs, index=index, half=half):
                self._halves[index] = half.state_in(args, kwargs, 1).clone()

            stack.callback(layer.module.register_forward_hook(keep).remove)
            if half is not None:
                stack.callback(half.module.register_forward_pre_hook(keep_half, with_kwargs=True).remove)
        return stack

    def position(self, position: int) -> tuple[States, States]:
        """States and middle states at one position of the text."""
        axis = self._loaded.anatomy.position_axis
        kept = self._states, self._halves
        states, halves = ({index: state.narrow(axis, position, 1) for index, state in some.items()} for some in kept)
        return states, halves

    def last_positions(self) -> tuple[States, States]:
        return self.position(self._states[0].shape[self._loaded.anatomy.position_axis] - 1)


def _read(loaded: LoadedModel, targets: Sequence[int], states: Sequence[States], halves: Sequence[States]) -> Plain:
    count, layers, axis = len(states), loaded.anatomy.num_layers, loaded.anatomy.batch_axis
    # All exits in one product, token by token: rounding may depend on the shape of a product.
    at_once = torch.cat([token[layer] for token in states for layer in range(layers)], axis)
    entered, logits = (rows.unflatten(0, (count, layers)) for rows in _read_out(loaded, at_once))
    unrounded, decisive = _head(loaded, entered, logits)
    half_said = np.full((count, layers), -1)
    for layer in halves[0]:
        middle = _read_out(loaded, torch.cat([token[layer] for token in halves], axis))
        half_said[:, layer] = _first_largest(_head(loaded, *middle)[1])
    return Plain(
        target=np.array(targets),
        said=_first_largest(decisive),
        half_said=half_said,
        entered=entered.double().numpy(),
        logits=logits.double().numpy(),
        states=at_once.movedim(axis, 0).flatten(1).unflatten(0, (count, layers)).double().numpy(),
        unrounded=unrounded.double().numpy(),
    )


def _read_out(loaded: LoadedModel, states: Tensor) -> tuple[Tensor, Tensor]:
    """States as they enter the head, R × d, and the model's own logits of them, R × V."""
    entered: list[Tensor] = []
    head = loaded.model.get_output_embeddings()
    watch = head.register_forward_pre_hook(lambda _, args: entered.append(args[0]))
    logits = loaded.readout.logits(states)
    watch.remove()
    return entered[0].reshape(len(logits), -1), logits[:, 0]


def _head(loaded: LoadedModel, entered: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Logits in double precision, and those that decide exits: products rounded once to the type of the head."""
    head = loaded.model.get_output_embeddings()
    if loaded.readout.head is None:
        return logits, logits
    assert isinstance(head, nn.Linear)
    products = entered.double() @ head.weight.double().T
    if head.bias is not None:
        products += head.bias.double()
    return products * loaded.readout.head.scale, products.to(head.weight.dtype)


def _first_largest(logits: Tensor) -> NDArray[np.int64]:
    """The lowest id among equals, as numpy documents it."""
    return logits.double().numpy().argmax(-1)
