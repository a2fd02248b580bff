"""Greedy decoding that keeps every layer's last position and reads out each exit on the way.

`generate` does the decoding, so caches and positions are right for every architecture it knows. Hooks keep the last
position of each layer; before a token is chosen, all exits are read in one product, and the token is the argmax of
that product's last row. Nothing but the reading is kept, so memory does not grow with tokens × vocabulary.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import LogitsProcessor, LogitsProcessorList

from benchmark import hardware
from benchmark.anatomy import Layer
from benchmark.errors import MeasurementError
from benchmark.loaded import LoadedModel
from benchmark.readout import Reading
from benchmark.readout_proof import TOLERANCE
from benchmark.trace import Trace

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


def decode(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    batch_size: int,
    progress: Progress = lambda tokens, prompts: None,
) -> Capture:
    """Decode every prompt greedily and record every exit of every token.

    Args:
        loaded: the model.
        prompts: token ids of each prompt.
        max_new_tokens: tokens a prompt at most; the first end-of-text token counts and ends it.
        batch_size: the most prompts decoded together. Recurrent models share a batch only at equal length.
        progress: told after every step.

    Raises:
        MeasurementError: the logits of some layer are NaN, or a token is not the one the model itself would choose.
    """
    steps: list[Step] = []
    oracle_seconds, largest = 0.0, 0
    start = now(loaded.device)
    together = batch_size if loaded.batchable else 1
    for members in batches([len(prompt) for prompt in prompts], together, equal_length=loaded.recurrent):
        oracle = _Oracle(loaded, np.array(members), max_new_tokens, progress)
        oracle.decode([prompts[member] for member in members])
        steps += oracle.steps
        oracle_seconds += oracle.seconds
        largest = max(largest, len(members))
    total = now(loaded.device) - start
    return Capture(assemble(steps), largest, total - oracle_seconds, oracle_seconds)


@dataclass(frozen=True)
class Step:
    """What was read at once: one position of each of some prompts, while decoding."""

    prompts: NDArray[np.int64]
    positions: NDArray[np.int64]
    reading: Reading


class _Oracle(LogitsProcessor):
    """Sits where `generate` asks for changes to the logits: after a step's forward pass, before its token is chosen."""

    def __init__(
        self, loaded: LoadedModel, members: NDArray[np.int64], max_new_tokens: int, progress: Progress
    ) -> None:
        self.steps: list[Step] = []
        self.seconds = 0.0
        self._loaded = loaded
        self._members = members
        self._max_new_tokens = max_new_tokens
        self._progress = progress
        self._states: dict[int, Tensor] = {}
        self._going = torch.ones(len(members), dtype=torch.bool, device=loaded.device)
        self._ends = torch.tensor(sorted(loaded.end_ids), dtype=torch.long, device=loaded.device)
        self._reading_out = False

    def decode(self, prompts: list[Sequence[int]]) -> None:
        """Decode one batch of prompts; afterwards `steps` and `seconds` tell what was read and how long that took."""
        width = max(len(prompt) for prompt in prompts)
        padding = [width - len(prompt) for prompt in prompts]
        if self._loaded.task == "encoder-decoder":
            # What is read starts at position 0, what is continued ends at the last.
            ids = [[*prompt, *[self._loaded.pad_id] * pad] for prompt, pad in zip(prompts, padding, strict=True)]
            mask = [[1] * (width - pad) + [0] * pad for pad in padding]
        else:
            ids = [[*[self._loaded.pad_id] * pad, *prompt] for prompt, pad in zip(prompts, padding, strict=True)]
            mask = [[0] * pad + [1] * (width - pad) for pad in padding]
        with ExitStack() as stack, torch.inference_mode():
            for index, layer in enumerate(self._loaded.anatomy.layers):
                stack.callback(layer.module.register_forward_hook(self._keep(index, layer)).remove)
            self._loaded.model.generate(
                torch.tensor(ids, device=self._loaded.device),
                attention_mask=torch.tensor(mask, device=self._loaded.device),
                max_new_tokens=self._max_new_tokens,
                logits_processor=LogitsProcessorList([self]),
            )

    def _keep(self, index: int, layer: Layer) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if not self._reading_out:
                # A copy, because a view would hold the states of the whole prompt.
                self._states[index] = self._loaded.anatomy.last_position(layer.state_out(output)).clone()

        return hook

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Read out all exits and leave only the last one's token to choose."""
        start = now(scores.device)
        rows = self._going.nonzero()[:, 0]
        states = [self._states[index].to(scores.device) for index in range(self._loaded.anatomy.num_layers)]
        axis = self._loaded.anatomy.batch_axis
        self._reading_out = True
        try:
            reading = self._loaded.readout.read([state.index_select(axis, rows) for state in states])
        finally:
            self._reading_out = False
        tokens = reading.predictions[:, -1]
        self._refuse_other_tokens(scores[rows], tokens)
        full = len(self.steps) + 1 == self._max_new_tokens
        self._going[rows[torch.isin(tokens, self._ends) | full]] = False
        self.steps.append(Step(self._members[rows.cpu().numpy()], np.full(len(rows), len(self.steps)), reading.cpu()))
        chosen = scores.argmax(-1)
        chosen[rows] = tokens
        self._progress(len(rows), len(rows) - int(self._going.sum()))
        self.seconds += now(scores.device) - start
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen[:, None], 0.0)

    def _refuse_other_tokens(self, scores: Tensor, tokens: Tensor) -> None:
        """The token of the readout must be the model's own choice, but for logits that are equal within rounding."""
        best, largest = scores.amax(-1), scores.abs().amax(-1)
        gap = ((best - scores.gather(1, tokens[:, None])[:, 0]) / largest.clamp_min(1e-12)).amax()
        if gap > TOLERANCE.get(self._loaded.model.dtype, 1e-5):
            raise MeasurementError(
                f"step {len(self.steps) + 1}: the readout chooses another token than the model, which holds it for "
                f"worse by {float(gap):.2g} of the largest logit; report this model"
            )


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


def assemble(steps: list[Step]) -> Trace:
    """Put the tokens of all batches into the order of the prompts and, within one, of the text."""
    prompt = np.concatenate([step.prompts for step in steps])
    position = np.concatenate([step.positions for step in steps])
    order = np.lexsort((position, prompt))

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(step.reading, name).numpy() for step in steps])[order]

    return Trace(prompt=prompt[order], position=position[order], **{f.name: column(f.name) for f in fields(Reading)})


def now(device: torch.device) -> float:
    """Seconds on a clock, read when the device has done all it was given."""
    hardware.synchronize(device)
    return time.perf_counter()
