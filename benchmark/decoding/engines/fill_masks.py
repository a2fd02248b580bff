"""The engine of encoders: one forward pass over texts with some tokens masked, seen at the masked positions.

A token is a masked position, its target what the full model fills in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.decoding.batching import batches, padded
from benchmark.decoding.engine import Limits, Sink, Step
from benchmark.decoding.engines.one_pass import OnePass
from benchmark.errors import MeasurementError
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reading import Chosen

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
        positions = [self._positions(text, number, model, limits.max_new_tokens) for number, text in enumerate(prompts)]
        Masked(positions).decode(model, prompts, limits, sink)

    def _positions(self, text: Sequence[int], number: int, model: LoadedModel, most: int) -> NDArray[np.int64]:
        """Return the positions of one text that are masked; special tokens never are."""
        special = set(model.tokenizer.all_special_ids)
        ordinary = [position for position, token in enumerate(text) if token not in special]
        count = min(most, max(1, round(MASKED_SHARE * len(ordinary))), len(ordinary))
        rng = np.random.default_rng([self.seed, number])
        return np.sort(rng.choice(np.array(ordinary, dtype=np.int64), size=count, replace=False))


@dataclass(frozen=True)
class Masked:
    """Encoders with a masked-token head, and the positions that are masked."""

    positions: Sequence[NDArray[np.int64]]
    """Of each text."""

    def decode(self, model: LoadedModel, prompts: Sequence[Sequence[int]], limits: Limits, sink: Sink) -> None:
        """Hand over all masked positions of a batch of texts in one step.

        Raises:
            MeasurementError: the tokenizer has no mask token, or no position is masked.
        """
        mask_id = model.tokenizer.mask_token_id
        if mask_id is None:
            raise MeasurementError("the tokenizer has no mask token")
        if not sum(map(len, self.positions)):
            raise MeasurementError("no text is long enough to be masked")
        sink.begin(len(prompts), max(map(len, self.positions)))
        for members in batches(model, prompts, limits.batch_size):
            places = [self.positions[member] for member in members]
            rows = np.concatenate([np.full(len(some), row) for row, some in enumerate(places)])
            if len(rows):
                seen = OnePass(model, rows, np.concatenate(places))
                texts = [prompts[member] for member in members]
                ids, attended = padded(texts, model.pad_id, model.device, on_the_left=False)
                ids[seen.rows, seen.positions] = mask_id
                with seen.watching(len(texts)):
                    logits = model.model(input_ids=ids, attention_mask=attended).logits
                    chosen = Chosen.of(logits[seen.rows, seen.positions])
                numbers = np.concatenate([np.arange(len(some)) for some in places])
                going = torch.ones(len(rows), dtype=torch.bool, device=model.device)
                which = np.array(members)[rows], numbers, np.concatenate(places)
                sink.take(Step(*which, going, chosen, seen.states, seen.midlayer_states))
            sink.progress(len(rows), len(members))
