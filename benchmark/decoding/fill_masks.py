"""The engine of encoders: one forward pass over texts with some tokens masked, seen at the masked positions.

A token is a masked position, its target what the full model fills in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.anatomy.watch import Watch
from benchmark.decoding.batching import batches, padded
from benchmark.decoding.engine import Limits, Sink, Step
from benchmark.errors import MeasurementError
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reader import Chosen

MASKED_SHARE = 0.15
"""Of the tokens of a text, as in the training of BERT (arXiv 1810.04805, §3.1)."""


@dataclass(frozen=True)
class FillMasks:
    """Encoders with a masked-token head."""

    seed: int = 0
    """Of the choice of masked positions."""

    def decode(self, model: LoadedModel, prompts: Sequence[Sequence[int]], limits: Limits, sink: Sink) -> None:
        """Mask tokens of every text and hand over all its masked positions in one step.

        Raises:
            MeasurementError: the tokenizer has no mask token, or no text can be masked.
        """
        mask_id = model.tokenizer.mask_token_id
        if mask_id is None:
            raise MeasurementError("the tokenizer has no mask token")
        masked = [self._positions(text, number, model, limits.max_new_tokens) for number, text in enumerate(prompts)]
        if not sum(map(len, masked)):
            raise MeasurementError("no text is long enough to be masked")
        sink.begin(len(prompts), max(map(len, masked)))
        for members in batches(model, prompts, limits.batch_size):
            places = [masked[member] for member in members]
            rows = np.concatenate([np.full(len(some), row) for row, some in enumerate(places)])
            if len(rows):
                seen = _Seen(model, rows, np.concatenate(places))
                chosen = seen.run([prompts[member] for member in members], mask_id)
                numbers = np.concatenate([np.arange(len(some)) for some in places])
                going = torch.ones(len(rows), dtype=torch.bool, device=model.device)
                which = np.array(members)[rows], numbers, np.concatenate(places)
                sink.take(Step(*which, going, chosen, seen.states, seen.midlayer_states))
            sink.progress(len(rows), len(members))

    def _positions(self, text: Sequence[int], number: int, model: LoadedModel, most: int) -> NDArray[np.int64]:
        """Return the positions of one text that are masked; special tokens never are."""
        special = set(model.tokenizer.all_special_ids)
        ordinary = [position for position, token in enumerate(text) if token not in special]
        count = min(most, max(1, round(MASKED_SHARE * len(ordinary))), len(ordinary))
        rng = np.random.default_rng([self.seed, number])
        return np.sort(rng.choice(np.array(ordinary, dtype=np.int64), size=count, replace=False))


class _Seen:
    """What one pass over some texts shows at their masked positions, in the layout of as many texts of one position."""

    def __init__(self, model: LoadedModel, rows: NDArray[np.int64], positions: NDArray[np.int64]) -> None:
        self._model = model
        self._rows = torch.tensor(rows, device=model.device)
        self._positions = torch.tensor(positions, device=model.device)
        self.states: list[Tensor] = []
        self.midlayer_states: list[Tensor | None] = [None] * model.anatomy.num_layers

    def run(self, texts: list[Sequence[int]], mask_id: int) -> Chosen:
        """Run the model on the texts with the positions masked; returns what it fills in."""
        model = self._model
        ids, attended = padded(texts, model.pad_id, model.device, on_the_left=False)
        ids[self._rows, self._positions] = mask_id
        watch = Watch(model.anatomy, self._keep, model.halves, self._keep_midlayer, len(texts))
        with watch.hooks(), torch.inference_mode():
            logits = model.model(input_ids=ids, attention_mask=attended).logits
            return Chosen.of(logits[self._rows, self._positions])

    def _keep(self, _: int, state: Tensor) -> None:
        self.states.append(self._pick(state))

    def _keep_midlayer(self, layer: int, state: Tensor) -> None:
        self.midlayer_states[layer] = self._pick(state)

    def _pick(self, state: Tensor) -> Tensor:
        at_rows, at_positions = self._rows.to(state.device), self._positions.to(state.device)
        return self._model.anatomy.select(state, at_rows, at_positions).to(self._model.device)
