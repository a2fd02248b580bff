"""A batch of texts as `generate` writes them: every call of the model, and the cache before each."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from benchmark.anatomy.hooks import replaced_forward
from benchmark.anatomy.unchanged import unchanged
from benchmark.clock.known_cache import KnownCache
from benchmark.decoding.batching import padded
from benchmark.errors import MeasurementError
from benchmark.models import hardware
from benchmark.readout.loaded_model import LoadedModel

CACHES = ("past_key_values", "cache_params")
"""What models call their cache, among what they are called with and what they return."""


@dataclass(frozen=True)
class Recording:
    """What decoding some texts asks of a model, step by step behind the prompts."""

    calls: Sequence[dict[str, Any]]
    """S: what the model is called with, but for the cache; the token of the step before is in it."""
    known: KnownCache
    """Can be set to what the cache was before each step."""
    cache_name: str
    """What the model calls its cache."""
    largest: Sequence[Tensor]
    """S: the largest logit of each text's next token."""


def record(model: LoadedModel, prompts: Sequence[Sequence[int]], texts: Sequence[Sequence[int]]) -> Recording:
    """Return the steps by which `generate` writes some texts.

    Args:
        model: a causal model or an encoder-decoder, with a cache.
        prompts: token ids of each prompt of a batch.
        texts: token ids of what is written behind each; at least one of them has two tokens.

    Raises:
        MeasurementError: the model keeps no cache that could be set back.
    """
    calls: list[dict[str, Any]] = []
    known: list[KnownCache] = []
    names: list[str] = []
    largest: list[Tensor] = []

    def around(forward: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(forward)  # `generate` reads off its signature what it may be given
        def run(*args: Any, **kwargs: Any) -> Any:
            output = forward(*args, **kwargs)
            if known:
                before = calls[-1] if calls else {}
                kept = {name: _kept(value, before.get(name)) for name, value in kwargs.items() if name not in CACHES}
                calls.append(kept)
                largest.append(output.logits[:, -1].max(-1).values)
                known[0].keep()
            else:
                name, cache = _cache_of(kwargs, output)
                names.append(name)
                known.append(KnownCache(cache))
            return output

        return run

    steps = max(map(len, texts))
    forced = [[*text, *[model.pad_id] * (steps - len(text))] for text in texts]
    ids, mask = _fed(model, prompts)
    with ExitStack() as stack:
        stack.enter_context(unchanged(model.model, model.rewritten))
        stack.enter_context(replaced_forward(model.model, around(model.model.forward)))
        stack.enter_context(torch.inference_mode())
        model.model.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=steps,
            logits_processor=LogitsProcessorList([_Forced(torch.tensor(forced, device=model.device))]),
        )
    if len(calls) != steps - 1:
        raise MeasurementError(f"generate took {len(calls) + 1} steps for texts of {steps} tokens")
    known[0].close()
    return Recording(calls, known[0], names[0], largest)


def plain_seconds(model: LoadedModel, prompts: Sequence[Sequence[int]], steps: int) -> float:
    """Return how long plain `generate` takes for the tokens behind the first of each text.

    Args:
        model: as `record` takes it.
        prompts: token ids of each prompt of a batch.
        steps: tokens of a text, counting the first.
    """
    started: list[float] = []

    def around(forward: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(forward)
        def run(*args: Any, **kwargs: Any) -> Any:
            output = forward(*args, **kwargs)
            if not started:
                started.append(hardware.now(model.device))
            return output

        return run

    ids, mask = _fed(model, prompts)
    with replaced_forward(model.model, around(model.model.forward)), torch.inference_mode():
        model.model.generate(ids, attention_mask=mask, max_new_tokens=steps)
    return hardware.now(model.device) - started[0]


def of_rows(call: Mapping[str, Any], rows: Tensor, size: int) -> dict[str, Any]:
    """Return a call for some of the texts of a batch.

    Args:
        call: what the model, or one of its layers, is called with.
        rows: numbers of the texts.
        size: texts of the batch; what has as many entries along its first axis has one for each.
    """
    return {name: selected(value, rows, size) for name, value in call.items()}


def selected(value: Any, rows: Tensor, size: int) -> Any:
    """Return the part of an argument that is of some of the texts of a batch; arguments are as in `of_rows`."""
    if isinstance(value, Tensor):
        return value.index_select(0, rows.to(value.device)) if value.dim() and value.shape[0] == size else value
    if isinstance(value, tuple | list):
        return type(value)(selected(item, rows, size) for item in value)
    if isinstance(value, Mapping):
        picked = {name: selected(item, rows, size) for name, item in value.items()}
        return type(value)(**picked) if type(value) is not dict else picked
    return value


def _fed(model: LoadedModel, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    return padded(prompts, model.pad_id, model.device, on_the_left=model.task != "encoder-decoder")


def _cache_of(kwargs: Mapping[str, Any], output: Any) -> tuple[str, Any]:
    """Return the cache that a call was given, or has made, and its name."""
    for name in CACHES:
        cache = kwargs.get(name)
        if cache is None:
            cache = getattr(output, name, None)
        if cache is not None:
            return name, cache
    return CACHES[0], None


def _kept(value: Any, before: Any) -> Any:
    """Return a copy of an argument, which may be written into later; one that is the same at every step is shared."""
    if isinstance(value, Tensor):
        same = isinstance(before, Tensor) and before.shape == value.shape and torch.equal(before, value)
        return before if same else value.clone()
    return value


class _Forced(LogitsProcessor):
    """Makes `generate` write texts that are there already."""

    def __init__(self, tokens: Tensor) -> None:
        self._tokens = tokens
        self._written = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores whose argmax is the next token of each text."""
        column = self._tokens[:, self._written, None]
        self._written += 1
        return torch.full_like(scores, -torch.inf).scatter_(1, column, 0.0)
