"""Exits of encoder models: a forward pass over texts with some tokens masked, read out at the masked positions.

The same trace as decoding gives: a token is a masked position, its target what the full model fills in.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.anatomy.layers import Layer
from benchmark.anatomy.midlayer import Half
from benchmark.decoding.assemble import Places, assemble
from benchmark.decoding.generate import Capture, Progress, batches
from benchmark.errors import MeasurementError
from benchmark.models import hardware
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reader import Chosen, Reader
from benchmark.trace.sample import Sampling

MASKED_SHARE = 0.15
"""Of the tokens of a text, as in the training of BERT (arXiv 1810.04805, §3.1)."""


def fill_masks(
    loaded: LoadedModel,
    texts: Sequence[Sequence[int]],
    most_masks: int,
    batch_size: int,
    progress: Progress = lambda tokens, prompts: None,
    sampling: Sampling = Sampling(),  # noqa: B008 - frozen
) -> Capture:
    """Mask tokens of every text and record every exit at every masked position.

    Args:
        loaded: an encoder with a masked-token head.
        texts: token ids of each text, special tokens included; those are never masked.
        most_masks: masked positions a text at most.
        batch_size: the most texts in one pass.
        progress: told after every batch.
        sampling: which masked positions are looked at with all their logits; its seed also chooses the positions.

    Raises:
        MeasurementError: the tokenizer has no mask token, no text can be masked, the logits of a layer are NaN, K is
            larger than the vocabulary, or the readout of the last layer is not the model's own.
    """
    mask_id = loaded.tokenizer.mask_token_id
    if mask_id is None:
        raise MeasurementError("the tokenizer has no mask token")
    masked = [_positions(text, loaded, most_masks, [sampling.seed, number]) for number, text in enumerate(texts)]
    reader = Reader(loaded.readout, loaded.anatomy, sampling.top_k)
    chosen_places = sampling.choose(len(texts), max((len(positions) for positions in masked), default=0))
    places, readings, oracle_seconds, largest = [], [], 0.0, 0
    start = hardware.now(loaded.device)
    together = batch_size if loaded.batchable else 1
    for members in batches([len(text) for text in texts], together, equal_length=loaded.recurrent):
        rows = np.concatenate([np.full(len(masked[member]), row) for row, member in enumerate(members)])
        positions = np.concatenate([masked[member] for member in members])
        order = np.concatenate([np.arange(len(masked[member])) for member in members])
        largest = max(largest, len(members))
        if len(rows):
            seen = _Seen(loaded, rows, positions)
            chosen = seen.run([texts[member] for member in members], mask_id)
            reading_from = hardware.now(loaded.device)
            sampled = torch.from_numpy(chosen_places[np.array(members)[rows], order]).to(loaded.device)
            halves = [None if half is None else seen.picked(half, sampled) for half in seen.halves]
            readings.append(reader.read(seen.states, chosen, sampled, halves))
            places.append(Places(np.array(members)[rows], positions))
            oracle_seconds += hardware.now(loaded.device) - reading_from
        progress(len(rows), len(members))
    if not readings:
        raise MeasurementError("no text is long enough to be masked")
    trace = assemble(loaded.tokenizer, texts, places, readings, masked=True)
    total = hardware.now(loaded.device) - start
    return Capture(trace, largest, total - oracle_seconds, oracle_seconds, reader.products)


def _positions(text: Sequence[int], loaded: LoadedModel, most: int, seed: list[int]) -> np.ndarray:
    special = set(loaded.tokenizer.all_special_ids)
    ordinary = [position for position, token in enumerate(text) if token not in special]
    count = min(most, max(1, round(MASKED_SHARE * len(ordinary))), len(ordinary))
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(np.array(ordinary, dtype=np.int64), size=count, replace=False))


class _Seen:
    """What one pass over some texts shows at their masked positions, in the layout of as many texts of one position."""

    def __init__(self, loaded: LoadedModel, rows: np.ndarray, positions: np.ndarray) -> None:
        self._loaded = loaded
        self._rows = torch.tensor(rows, device=loaded.device)
        self._positions = torch.tensor(positions, device=loaded.device)
        self.states: list[Tensor] = []
        """Outputs of layers 1..L."""
        self.halves: list[Tensor | None] = [None] * loaded.anatomy.num_layers
        """The states behind the layers' mixers."""

    def run(self, texts: list[Sequence[int]], mask_id: int) -> Chosen:
        """Run the model on the texts with the positions masked; returns what it fills in."""
        loaded = self._loaded
        width = max(len(text) for text in texts)
        ids = torch.tensor([[*text, *[loaded.pad_id] * (width - len(text))] for text in texts], device=loaded.device)
        attended = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in texts], device=loaded.device)
        ids[self._rows, self._positions] = mask_id

        def keep(layer: Layer) -> Callable[..., None]:
            return lambda _, __, output: self.states.append(self._pick(layer.state_out(output)))

        def keep_half(index: int, half: Half) -> Callable[..., None]:
            def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
                self.halves[index] = self._pick(half.state_in(args, kwargs, len(texts)))

            return hook

        with ExitStack() as stack, torch.inference_mode():
            for index, (layer, half) in enumerate(zip(loaded.anatomy.layers, loaded.halves, strict=True)):
                stack.callback(layer.module.register_forward_hook(keep(layer)).remove)
                if half is not None:
                    hook = half.module.register_forward_pre_hook(keep_half(index, half), with_kwargs=True)
                    stack.callback(hook.remove)
            logits = loaded.model(input_ids=ids, attention_mask=attended).logits
            return Chosen.of(logits[self._rows, self._positions])

    def picked(self, half: Tensor, sampled: Tensor) -> Tensor:
        """The states of the sampled positions."""
        return half.index_select(self._loaded.anatomy.batch_axis, sampled.nonzero()[:, 0])

    def _pick(self, state: Tensor) -> Tensor:
        at_rows, at_positions = self._rows.to(state.device), self._positions.to(state.device)
        return self._loaded.anatomy.select(state, at_rows, at_positions).to(self._loaded.device)
