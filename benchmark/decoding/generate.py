"""Greedy decoding that keeps every layer's last position, and reads out the exits of some hundred tokens at a time.

`generate` decodes, undisturbed, so caches and positions are right for every architecture it knows. Hooks keep the last
position of each layer; the states of a token wait until there are enough of them for large products, and are let go
when they have been read. So memory grows neither with the text nor with the vocabulary.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import LogitsProcessor, LogitsProcessorList

from benchmark.anatomy.midlayer import Half
from benchmark.decoding.assemble import assemble
from benchmark.decoding.buffer import Step, Waiting
from benchmark.models import hardware
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reader import Chosen
from benchmark.trace.record import Trace
from benchmark.trace.sample import Sampling

Progress = Callable[[int, int], None]
"""Told, after every step, how many tokens and how many prompts were finished by it."""


@dataclass(frozen=True)
class Capture:
    """A trace, and what it took to make it."""

    trace: Trace
    batch_size: int
    """The most prompts that were decoded together."""
    generate_seconds: float
    """Decoding alone."""
    oracle_seconds: float
    """Reading out every exit."""
    products: int
    """States that were multiplied with the whole vocabulary to read them out."""


def decode(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    batch_size: int,
    progress: Progress = lambda tokens, prompts: None,
    sampling: Sampling = Sampling(),  # noqa: B008 - frozen
) -> Capture:
    """Decode every prompt greedily and record every exit of every token.

    Args:
        loaded: the model.
        prompts: token ids of each prompt.
        max_new_tokens: tokens a prompt at most; the first end-of-text token counts and ends it.
        batch_size: the most prompts decoded together. Recurrent models share a batch only at equal length.
        progress: told after every step.
        sampling: which tokens are looked at with all their logits.

    Raises:
        MeasurementError: the logits of some layer are NaN, K is larger than the vocabulary, or the readout of the last
            layer is not the model's own.
    """
    start = hardware.now(loaded.device)
    waiting = Waiting(loaded, sampling)
    sampled = sampling.choose(len(prompts), max_new_tokens)
    together, largest = batch_size if loaded.batchable else 1, 0
    for members in batches([len(prompt) for prompt in prompts], together, equal_length=loaded.recurrent):
        _Watcher(loaded, waiting, np.array(members), sampled, progress).decode(
            [prompts[member] for member in members], max_new_tokens
        )
        largest = max(largest, len(members))
    waiting.read()
    # A decoder behind an encoder begins a text of its own.
    continued = prompts if loaded.task == "causal" else [[] for _ in prompts]
    trace = assemble(loaded.tokenizer, continued, waiting.places, waiting.readings)
    total = hardware.now(loaded.device) - start
    return Capture(trace, largest, total - waiting.seconds, waiting.seconds, waiting.reader.products)


class _Watcher(LogitsProcessor):
    """Sits where `generate` asks for changes to the logits, after a step's forward pass. It changes nothing."""

    def __init__(
        self,
        loaded: LoadedModel,
        waiting: Waiting,
        members: NDArray[np.int64],
        sampled: NDArray[np.bool_],
        progress: Progress,
    ) -> None:
        self._loaded = loaded
        self._waiting = waiting
        self._members = members
        self._sampled = sampled[members]
        self._progress = progress
        self._step = 0
        # On a GPU, counting would make decoding wait for the device at every token; there ended texts count on.
        self._counts = loaded.device.type == "cpu"
        # Made before decoding begins: what is allocated between a prompt's activations keeps their memory from being
        # given back. Of each layer the state behind it, and of those with two halves the state in between.
        shape = list(loaded.anatomy.state_shape)
        shape[loaded.anatomy.batch_axis] = len(members)
        dtypes, device = loaded.anatomy.state_dtypes, loaded.device
        self._states = [torch.empty(shape, dtype=dtype, device=device) for dtype in dtypes]
        self._halves = [
            None if half is None else torch.empty(shape, dtype=dtype, device=device)
            for half, dtype in zip(loaded.halves, dtypes, strict=True)
        ]
        self._going = torch.ones(len(members), dtype=torch.bool, device=loaded.device)
        self._ends = torch.tensor(sorted(loaded.end_ids), dtype=torch.long, device=loaded.device)

    def decode(self, prompts: list[Sequence[int]], max_new_tokens: int) -> None:
        """Decode one batch of prompts; its tokens go to `waiting`."""
        width = max(len(prompt) for prompt in prompts)
        padding = [width - len(prompt) for prompt in prompts]
        pad_id = self._loaded.pad_id
        if self._loaded.task == "encoder-decoder":
            # What is read starts at position 0, what is continued ends at the last.
            ids = [[*prompt, *[pad_id] * pad] for prompt, pad in zip(prompts, padding, strict=True)]
            mask = [[1] * (width - pad) + [0] * pad for pad in padding]
        else:
            ids = [[*[pad_id] * pad, *prompt] for prompt, pad in zip(prompts, padding, strict=True)]
            mask = [[0] * pad + [1] * (width - pad) for pad in padding]
        with ExitStack() as stack, torch.inference_mode():
            for index, (layer, half) in enumerate(zip(self._loaded.anatomy.layers, self._loaded.halves, strict=True)):
                stack.callback(layer.module.register_forward_hook(self._keep(index)).remove)
                if half is not None:
                    hook = half.module.register_forward_pre_hook(self._keep_half(index, half), with_kwargs=True)
                    stack.callback(hook.remove)
            self._loaded.model.generate(
                torch.tensor(ids, device=self._loaded.device),
                attention_mask=torch.tensor(mask, device=self._loaded.device),
                max_new_tokens=max_new_tokens,
                logits_processor=LogitsProcessorList([self]),
            )
        self._progress(0, int(self._going.sum()) if self._counts else len(prompts))

    def _keep(self, index: int) -> Callable[[nn.Module, Any, Any], None]:
        layer = self._loaded.anatomy.layers[index]

        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if not self._waiting.busy:
                self._copy(layer.state_out(output), self._states[index])

        return hook

    def _keep_half(self, index: int, half: Half) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if not self._waiting.busy:
                self._copy(half.state_in(args, kwargs, len(self._members)), self._halves[index])

        return hook

    def _copy(self, state: Tensor, into: Tensor | None) -> None:
        assert into is not None
        into.copy_(self._loaded.anatomy.last_position(state))

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Hand over what this step gave; the scores stay as they are."""
        chosen = Chosen.of(scores)
        going = self._going
        self._going = going & ~torch.isin(chosen.target, self._ends)
        self._waiting.add(
            Step(
                self._members,
                np.full(len(self._members), self._step),
                self._sampled[:, self._step],
                going,
                chosen,
                [state.clone() for state in self._states],
                self._sampled_halves(),
            )
        )
        self._step += 1
        if self._counts:
            self._progress(int(going.sum()), int(going.sum()) - int(self._going.sum()))
        else:
            self._progress(len(going), 0)
        return scores

    def _sampled_halves(self) -> list[Tensor | None]:
        rows = torch.from_numpy(self._sampled[:, self._step].nonzero()[0]).to(self._loaded.device)
        axis = self._loaded.anatomy.batch_axis
        return [half.index_select(axis, rows) if half is not None and len(rows) else None for half in self._halves]


def batches(lengths: Sequence[int], batch_size: int, equal_length: bool) -> Iterator[list[int]]:
    """Indices of the prompts that go together: of similar length, to pad little, or of equal length only."""
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    groups = (
        [list(group) for _, group in itertools.groupby(order, key=lambda index: lengths[index])]
        if equal_length
        else [order]
    )
    for group in groups:
        for start in range(0, len(group), batch_size):
            yield group[start : start + batch_size]
