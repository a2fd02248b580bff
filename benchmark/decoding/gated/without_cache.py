"""Gated decoding without a cache: each text alone, with a pass over the whole of it for every token.

That is slow and needs nothing of a model but its forward pass, so the other engine is held against it, and models whose
cache gives other texts are decoded by it.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.anatomy.layers import Layer
from benchmark.anatomy.unchanged import unchanged
from benchmark.decoding.buffer import Progress
from benchmark.decoding.engine import Limits
from benchmark.decoding.engines.given_text import start
from benchmark.decoding.gated.exits import Exits, oracle_exits
from benchmark.decoding.gated.rule import GatedText, Given, Rule
from benchmark.decoding.text.stops import Stops
from benchmark.errors import MeasurementError
from benchmark.inputs.settings import Policy
from benchmark.models.tasks import forward_logits
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reader import Reader

NOTHING_TO_COPY = (
    "policy copy: the model is decoded without a cache, so it has no entries to copy; choose another policy"
)


def decode_without_cache(
    model: LoadedModel,
    prompts: Sequence[Sequence[int]],
    limits: Limits,
    rule: Rule | Given,
    policy: Policy,
    progress: Progress = lambda tokens, prompts: None,
    said: Callable[[Tensor], None] = lambda logits: None,
) -> list[GatedText]:
    """Return the text behind each prompt.

    Args:
        model: a causal model or an encoder-decoder.
        prompts: token ids of each.
        limits: how much to decode; the texts do not share a batch.
        rule: says where tokens leave.
        policy: says what deeper layers get of a token that has left.
        progress: told after every step.
        said: told the logits, V, of every token that is written.

    Raises:
        MeasurementError: the logits are not finite, or the policy is `copy`, for which there must be a cache.
    """
    if policy == "copy":
        raise MeasurementError(NOTHING_TO_COPY)
    stops = Stops(model, prompts, limits.stops)
    return [
        _Text(model, number, rule, policy, stops).decode(prompt, limits.max_new_tokens, progress, said)
        for number, prompt in enumerate(prompts)
    ]


class _Text:
    """One text. Positions that left pass their state on through every deeper layer of each later pass."""

    def __init__(self, model: LoadedModel, number: int, rule: Rule | Given, policy: Policy, stops: Stops) -> None:
        self._model = model
        self._number = number
        self._stops = stops
        self._rule = rule
        self._policy = policy
        self._exits = Exits(model, rule, [number])
        self._reader = Reader(model.readout, model.anatomy, top_k=1)
        self._left: dict[int, int] = {}
        """The layer, by the position in the text that left there."""
        self._before: Tensor | None = None
        self._states: list[Tensor] = []

    def decode(
        self, prompt: Sequence[int], max_new_tokens: int, progress: Progress, said: Callable[[Tensor], None]
    ) -> GatedText:
        """Return the text behind a prompt."""
        model, last = self._model, self._model.anatomy.num_layers
        text, encoded = start(model, prompt)
        tokens: list[int] = []
        layers: list[int] = []
        going = torch.ones(1, dtype=torch.bool, device=model.device)
        for written in range(max_new_tokens):
            self._states, self._before = [], None
            with ExitStack() as stack:
                stack.enter_context(unchanged(model.model, model.rewritten))
                for number, layer in enumerate(model.anatomy.layers, start=1):
                    stack.callback(layer.module.register_forward_hook(self._behind(number, layer)).remove)
                ids = torch.tensor([text], device=model.device)
                logits = forward_logits(model.model, model.task, ids, encoded, last=1)[0]
            exit_layer = self._decided(logits) if written else last
            if exit_layer < last:
                logits = model.readout.logits(self._states[exit_layer - 1])[:, 0]
            said(logits[0])
            tokens.append(int(logits.argmax(-1)))
            layers.append(exit_layer)
            if self._policy == "propagate" and exit_layer < last:
                self._left[len(text) - 1] = exit_layer
            text = [*text, tokens[-1]]
            ended = tokens[-1] in model.end_ids or self._stops.ended(self._number, tokens)
            ended = ended or written == max_new_tokens - 1
            progress(1, int(ended))
            if ended:
                break
            self._exits.begin(going)
        return GatedText(tuple(tokens), tuple(layers))

    def _behind(self, number: int, layer: Layer) -> Callable[[nn.Module, Any, Any], Any]:
        axis = self._model.anatomy.position_axis

        def hook(_: nn.Module, __: Any, output: Any) -> Any:
            state = layer.state_out(output)
            passing = [position for position, exit_layer in self._left.items() if exit_layer < number]
            if passing:
                assert self._before is not None
                at = torch.tensor(passing, device=state.device)
                state = state.index_copy(axis, at, self._before.to(state).index_select(axis, at))
            self._before = state.clone()  # the next layer may add to it in place
            self._states.append(self._model.anatomy.last_position(state).clone())
            return layer.with_state(output, state) if passing else None

        return hook

    def _decided(self, logits: Tensor) -> int:
        """Return where the token of this step leaves, now that every layer has run."""
        if isinstance(self._rule, Rule) and self._rule.oracle:
            states = self._states
            return int(oracle_exits(self._model, self._reader, self._rule.looks, states, logits.float()))
        for number, state in enumerate(self._states, start=1):
            self._exits.behind(number, state)
        return int(self._exits.of_all())
