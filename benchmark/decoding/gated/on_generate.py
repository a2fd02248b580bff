"""Gated decoding in batches: transformers' own `generate`, whose layers are overruled where a token has left.

No kernel is needed for that. Under `recompute` all layers run as they would, and the text goes on from what the exit
says. Under `propagate` the state that a token left with is passed on through every deeper layer: each computes its
keys, values or state of it, and what it returns is dropped. `copy` does the same, and then gives deeper layers the keys
and values of the exit layer in place of their own.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from copy import deepcopy
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LogitsProcessor, LogitsProcessorList

from benchmark.anatomy.hooks import replaced_forward
from benchmark.anatomy.layers import Layer
from benchmark.anatomy.unchanged import unchanged
from benchmark.anatomy.watch import Watch
from benchmark.decoding.batching import batches, padded
from benchmark.decoding.buffer import Progress
from benchmark.decoding.engine import Limits
from benchmark.decoding.gated.cache_entries import copy_entries
from benchmark.decoding.gated.exits import Exits, oracle_exits
from benchmark.decoding.gated.rule import GatedText, Given, Rule
from benchmark.decoding.text.ending import Ending
from benchmark.decoding.text.stops import Stops
from benchmark.errors import MeasurementError
from benchmark.inputs.settings import Policy
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reader import Reader


class NoCache(MeasurementError):
    """The model keeps no cache: with every token its whole text goes through the layers again."""


def decode_gated(
    model: LoadedModel,
    prompts: Sequence[Sequence[int]],
    limits: Limits,
    rule: Rule | Given,
    policy: Policy,
    progress: Progress = lambda tokens, prompts: None,
) -> list[GatedText]:
    """Return the text behind each prompt, decoded with early exits.

    Args:
        model: a causal model or an encoder-decoder, with a cache.
        prompts: token ids of each.
        limits: how much to decode.
        rule: says where tokens leave.
        policy: says what deeper layers get of a token that has left.
        progress: told after every step.

    Raises:
        MeasurementError: the logits are not finite, or the cache has no entries that could be copied.
        NoCache: the model has none, whatever it says.
    """
    texts: dict[int, GatedText] = {}
    stops = Stops(model, prompts, limits.stops)
    for members in batches(model, prompts, limits.batch_size, limits.max_new_tokens):
        batch = _Batch(model, members, rule, policy, stops, progress)
        written = batch.decode([prompts[member] for member in members], limits)
        texts.update(zip(members, written, strict=True))
    return [texts[number] for number in range(len(prompts))]


class _Batch(LogitsProcessor):
    """Sits where `generate` asks for changes to the logits, and makes it go on from what the exits say."""

    def __init__(
        self,
        model: LoadedModel,
        members: Sequence[int],
        rule: Rule | Given,
        policy: Policy,
        stops: Stops,
        progress: Progress,
    ) -> None:
        self._model = model
        self._rule = rule
        self._policy = policy
        self._progress = progress
        self._ending = Ending(model, members, stops)
        self._exits = Exits(model, rule, members)
        self._oracle = isinstance(rule, Rule) and rule.oracle
        self._reader = Reader(model.readout, model.anatomy, top_k=1)
        self._cache: Any = None
        self._paused = False
        self._full: Tensor | None = None
        """The tokens that all layers would give, where the oracle has asked."""
        self._tokens: list[Tensor] = []
        self._layers: list[Tensor] = []
        self._counted: list[Tensor] = []

    def decode(self, prompts: Sequence[Sequence[int]], limits: Limits) -> list[GatedText]:
        """Return the texts of one batch of prompts."""
        model = self._model
        ids, mask = padded(prompts, model.pad_id, model.device, on_the_left=model.task != "encoder-decoder")
        with ExitStack() as stack:
            stack.enter_context(unchanged(model.model, model.rewritten))
            for number, layer in enumerate(model.anatomy.layers, start=1):
                stack.callback(layer.module.register_forward_hook(self._behind(number, layer)).remove)
            stack.enter_context(replaced_forward(model.model, self._around(model.model.forward)))
            stack.enter_context(torch.inference_mode())
            model.model.generate(
                ids,
                attention_mask=mask,
                max_new_tokens=limits.max_new_tokens,
                logits_processor=LogitsProcessorList([self]),
                stopping_criteria=self._ending.criteria,
            )
        self._progress(0, int(self._ending.going.sum()))
        return self._texts()

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores whose argmax is what the exits say."""
        left = self._exits.layer > 0
        token = scores.argmax(-1)
        if self._exits.some_left:
            token = torch.where(left, self._of_exits(token), token)
            scores = torch.full_like(scores, -torch.inf).scatter_(1, token[:, None], 0.0)
            if self._policy == "copy":
                copy_entries(self._cache, self._exits.of_all(), self._model.anatomy.num_layers)
        self._tokens.append(token)
        self._layers.append(self._exits.of_all())
        before, going = self._ending.take(token), self._ending.going
        self._counted.append(before)
        self._progress(int(before.sum()), int(before.sum()) - int(going.sum()))
        self._full = None
        self._exits.begin(going)
        return scores

    def _of_exits(self, token: Tensor) -> Tensor:
        """Return the tokens that the exits give, and anything of tokens that have not left.

        Args:
            token: what the model gives, whose last layer has returned what it was passed.
        """
        if self._full is not None:
            return self._full
        if self._policy != "recompute":
            return token
        held = self._exits.held
        assert held is not None
        self._paused = True
        try:
            return self._model.readout.logits(held)[:, 0].argmax(-1).to(token.device)
        finally:
            self._paused = False

    def _behind(self, number: int, layer: Layer) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(_: nn.Module, __: Any, output: Any) -> Any:
            if self._paused or not self._exits.gated:
                return None
            state = layer.state_out(output)
            if (positions := state.shape[self._model.anatomy.position_axis]) != 1:
                raise NoCache(f"the layers work on {positions} positions for one token, so the model keeps no cache")
            passing = self._policy != "recompute" and self._exits.some_left
            if passing:
                state = self._exits.passed(state)
            self._paused = True  # who reads states out runs the same layers
            try:
                self._exits.behind(number, state)
            finally:
                self._paused = False
            return layer.with_state(output, state) if passing else None

        return hook

    def _around(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Return a forward pass that keeps hold of the cache and, for the oracle, looks ahead on a copy of it."""

        @wraps(forward)  # `generate` reads off its signature what it may be given
        def run(*args: Any, **kwargs: Any) -> Any:
            if self._paused:
                return forward(*args, **kwargs)
            if self._oracle and self._exits.gated:
                self._look_ahead(forward, args, kwargs)
            self._cache = kwargs.get("past_key_values")
            return forward(*args, **kwargs)

        return run

    def _look_ahead(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Learn what all layers say of the next token, and where it may leave."""
        states: list[Tensor] = []
        watch = Watch(self._model.anatomy, lambda _, state: states.append(state.clone()))
        self._paused = True
        try:
            with watch.hooks():
                logits = forward(*args, **deepcopy(kwargs)).logits[:, -1]
            assert isinstance(self._rule, Rule)
            known = oracle_exits(self._model, self._reader, self._rule.looks, states, logits.float())
        finally:
            self._paused = False
        self._full = logits.argmax(-1)
        self._exits.know(known)

    def _texts(self) -> list[GatedText]:
        tokens, layers, counted = (
            torch.stack(columns, dim=1).cpu() for columns in (self._tokens, self._layers, self._counted)
        )
        return [
            GatedText(tuple(token[some].tolist()), tuple(layer[some].tolist()))
            for token, layer, some in zip(tokens, layers, counted, strict=True)
        ]
