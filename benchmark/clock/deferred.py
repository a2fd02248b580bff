"""Deferred-exact decoding: a token leaves early, and the layers above it run later, with a token that goes deeper.

A token that has left waits with its state. Before the current token runs a layer, those that wait below that layer join
it, in the order of the text. So depths never grow along the text, every layer sees true states of all earlier
positions, and the text is what `recompute` writes: each token is what its exit says of true states. The weights of a
layer are read once a step, for all who run it; what is saved is reading, not computing.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmark.anatomy.hooks import replaced_forward
from benchmark.anatomy.layers import Layer
from benchmark.anatomy.unchanged import unchanged
from benchmark.clock.deferred_cache import DeferredCache
from benchmark.decoding.gated.exits import Exits
from benchmark.decoding.gated.rule import GatedText, Given, Rule
from benchmark.decoding.text.stops import Stops
from benchmark.errors import MeasurementError
from benchmark.inputs.settings import MAX_PENDING
from benchmark.models import hardware
from benchmark.models.tasks import keeps_last
from benchmark.readout.loaded_model import LoadedModel


@dataclass(frozen=True)
class DeferredText(GatedText):
    """What was written behind one prompt, and who waited meanwhile."""

    pending: tuple[int, ...]
    """Tokens that waited for deeper layers behind each step."""
    seconds: float
    """Of all tokens but the first."""


def decode_deferred(
    model: LoadedModel,
    prompt: Sequence[int],
    max_new_tokens: int,
    rule: Rule | Given,
    max_pending: int = MAX_PENDING,
    stop: tuple[str, ...] = (),
    forced: Sequence[int] | None = None,
    completed: Callable[[int, Tensor], None] = lambda number, state: None,
) -> DeferredText:
    """Return the text behind a prompt.

    Args:
        model: a causal model whose cache holds keys and values alone.
        prompt: token ids.
        max_new_tokens: tokens at most.
        rule: says where tokens leave; the oracle's exits have to be given.
        max_pending: when so many tokens wait, all layers run for all of them.
        stop: strings that end the text.
        forced: tokens of a text to write, whatever the exits say.
        completed: told the number of a token that has run all layers late, and the state behind the last.

    Raises:
        MeasurementError: the model cannot be decoded so.
    """
    if model.task != "causal" or not model.with_cache:
        raise MeasurementError("deferred decoding takes a causal model with a cache")
    return _Deferred(model, rule, max_pending, completed).decode(prompt, max_new_tokens, stop, forced)


@dataclass
class _Waiting:
    """A token that has left."""

    number: int
    token: int
    """What stands at its position: the token before it in the text."""
    depth: int
    """Layers that have run for it."""
    state: Tensor
    """What the last of them returned."""


class _Deferred:
    """One text."""

    def __init__(
        self, model: LoadedModel, rule: Rule | Given, max_pending: int, completed: Callable[[int, Tensor], None]
    ) -> None:
        self._model = model
        self._last = model.anatomy.num_layers
        self._max_pending = max_pending
        self._completed = completed
        self._exits = Exits(model, rule, [0])
        self._going = torch.ones(1, dtype=torch.bool, device=model.device)
        self._waiting: list[_Waiting] = []
        self._short = {"logits_to_keep": 1} if keeps_last(model.model, model.task) else {}
        self._shown = 1
        self._left: Tensor | None = None
        self._flush = False

    def decode(
        self, prompt: Sequence[int], max_new_tokens: int, stop: tuple[str, ...], forced: Sequence[int] | None
    ) -> DeferredText:
        """Return the text behind a prompt."""
        model, stops = self._model, Stops(self._model, [prompt], (stop,) if stop else ())
        with ExitStack() as stack:
            stack.enter_context(unchanged(model.model, model.rewritten))
            stack.enter_context(torch.inference_mode())
            ids = torch.tensor([list(prompt)], device=model.device)
            output = model.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=True)
            cache = DeferredCache(getattr(output, "past_key_values", None))
            for number, layer in enumerate(model.anatomy.layers, start=1):
                stack.enter_context(replaced_forward(layer.module, self._instead(number, layer, layer.module.forward)))
            tokens = [int(output.logits[0, -1].argmax()) if forced is None else forced[0]]
            exits, pending = [self._last], [0]
            start = hardware.now(model.device)
            while len(tokens) < max_new_tokens and tokens[-1] not in model.end_ids and not stops.ended(0, tokens):
                self._exits.begin(self._going)
                said = self._step(cache, len(prompt) + len(tokens) - 1, len(tokens), tokens[-1])
                tokens.append(said if forced is None else forced[len(tokens)])
                exits.append(int(self._exits.of_all()))
                pending.append(len(self._waiting))
            taken = hardware.now(model.device) - start
        return DeferredText(tuple(tokens), tuple(exits), tuple(pending), taken)

    def _step(self, cache: DeferredCache, position: int, number: int, token: int) -> int:
        """Run the token at a position as deep as it goes, and return what it says of the next one."""
        self._left, self._flush = None, len(self._waiting) >= self._max_pending
        self._shown = len(self._waiting) + 1
        cache.begin(position - len(self._waiting))
        ids = torch.tensor([[*(one.token for one in self._waiting), token]], device=self._model.device)
        mask = torch.ones((1, position + 1), dtype=torch.long, device=self._model.device)
        output = self._model.model(
            input_ids=ids, attention_mask=mask, past_key_values=cache.cache, use_cache=True, **self._short
        )
        if self._left is not None and not self._flush:
            self._waiting.append(_Waiting(number, token, int(self._exits.of_all()), self._left))
        return int(output.logits[0, -1].argmax())

    def _instead(self, number: int, layer: Layer, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Return a forward pass of a layer that runs for the current token and those that wait below it."""
        axis = self._model.anatomy.position_axis

        def run(*args: Any, **kwargs: Any) -> Any:
            state = self._model.anatomy.last_position(layer.state_in(args, kwargs))
            if self._left is not None and not self._flush:
                return self._returned(number, layer, state)
            joining = [one for one in self._waiting if one.depth == number - 1]
            together = torch.cat([*(one.state for one in joining), state], dim=axis) if joining else state
            given, named = _sliced((args, kwargs), self._shown, len(joining) + 1)
            if isinstance(layer.state_argument, int):
                given = (*given[: layer.state_argument], together, *given[layer.state_argument + 1 :])
            else:
                named[layer.state_argument] = together
            behind = layer.state_out(forward(*given, **named))
            for place, one in enumerate(joining):
                one.depth, one.state = number, behind.narrow(axis, place, 1)
            if number == self._last:
                for one in joining:
                    self._completed(one.number, one.state)
                self._waiting = [one for one in self._waiting if one.depth < self._last]
            return self._returned(number, layer, self._current(number, self._model.anatomy.last_position(behind)))

        return run

    def _returned(self, number: int, layer: Layer, state: Tensor) -> Any:
        """Return what a layer returns with the state of the current token in it.

        Some models hold what their last layer returns against the shape of what they were given, so it is as long.
        """
        if number == self._last and self._shown > 1:
            state = state.repeat_interleave(self._shown, dim=self._model.anatomy.position_axis)
        return layer.returning(state)

    def _current(self, number: int, state: Tensor) -> Tensor:
        """Return the state of the current token behind a layer, and let it leave if it may."""
        if self._left is None:
            self._exits.behind(number, state)
            if self._exits.some_left:
                self._left = state.clone()
        elif number == self._last:
            return self._left  # all layers have run for the sake of those who wait
        return state


def _sliced(value: Any, shown: int, kept: int) -> Any:
    """Return the part of what a layer is given that is of the last positions.

    Args:
        value: tensors, or containers of them: masks (texts × heads × positions × keys), rotations (texts × positions ×
            size), positions (texts × positions, or positions).
        shown: positions that the model was shown.
        kept: how many of them run.
    """
    if isinstance(value, Tensor):
        axis = {1: 0, 2: 1, 3: 1, 4: 2}.get(value.dim())
        if axis is None or value.shape[axis] != shown or kept == shown:
            return value
        return value.narrow(axis, shown - kept, kept)
    if isinstance(value, tuple | list):
        return type(value)(_sliced(item, shown, kept) for item in value)
    if isinstance(value, Mapping):
        return {name: _sliced(item, shown, kept) for name, item in value.items()}
    return value
