"""Decoded tokens wait here until there are enough of them to be read out in large products.

Their states take a fixed amount of memory, whatever the length of the texts and the number of prompts.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.decoding.assemble import Places
from benchmark.models import hardware
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reader import Chosen, Reader, Reading
from benchmark.trace.sample import Sampling

_BYTES = 16 * 1024**2
_TOKENS = 512


@dataclass(frozen=True)
class Step:
    """One decoding step of a batch: a token of each of its prompts, on the device."""

    members: NDArray[np.int64]
    positions: NDArray[np.int64]
    sampled: NDArray[np.bool_]
    going: Tensor
    """Whether the prompt's text had not ended before."""
    chosen: Chosen
    states: list[Tensor]
    halves: list[Tensor | None]
    """Of the sampled rows only; None where none is sampled, or the layer has no halves."""


class Waiting:
    """Tokens that were decoded and not read out yet."""

    def __init__(self, loaded: LoadedModel, sampling: Sampling) -> None:
        """Nothing waits yet.

        Raises:
            MeasurementError: K is larger than the vocabulary.
        """
        self.reader = Reader(loaded.readout, loaded.anatomy, sampling.top_k)
        self.places: list[Places] = []
        self.readings: list[Reading] = []
        self.seconds = 0.0
        """Spent on reading."""
        self.busy = False
        """Whether the model is reading out at the moment, and not decoding."""
        self._loaded = loaded
        self._steps: list[Step] = []
        self._tokens = 0
        dtype = torch.finfo(loaded.model.dtype).bits // 8
        state = int(np.prod(loaded.anatomy.state_shape)) * dtype * loaded.anatomy.num_layers
        self._capacity = max(1, min(_TOKENS, _BYTES // state))

    def add(self, step: Step) -> None:
        """Let the tokens of one step wait; read all that wait when they are enough."""
        self._steps.append(step)
        self._tokens += len(step.members)
        if self._tokens >= self._capacity:
            self.read()

    def read(self) -> None:
        """Read out all that wait."""
        start = hardware.now(self._loaded.device)
        steps, self._steps, self._tokens = self._steps, [], 0
        anatomy, device = self._loaded.anatomy, self._loaded.device
        if steps:
            going = torch.cat([step.going for step in steps])
            rows = going.nonzero()[:, 0]
            axis = anatomy.batch_axis
            states = [
                torch.cat([step.states[layer].to(device) for step in steps], dim=axis).index_select(axis, rows)
                for layer in range(anatomy.num_layers)
            ]
            sampled = torch.from_numpy(np.concatenate([step.sampled for step in steps])).to(device)
            # Among the sampled tokens, those whose text had not ended.
            kept = going[sampled].nonzero()[:, 0]
            halves = [
                torch.cat(
                    [part.to(device) for step in steps if (part := step.halves[layer]) is not None], dim=axis
                ).index_select(axis, kept)
                if self._loaded.halves[layer] is not None and len(kept)
                else None
                for layer in range(anatomy.num_layers)
            ]
            chosen = Chosen.joined([step.chosen for step in steps]).at(rows)
            self.busy = True
            try:
                self.readings.append(self.reader.read(states, chosen, sampled[rows], halves))
            finally:
                self.busy = False
            kept_rows = rows.cpu().numpy()
            self.places.append(
                Places(
                    np.concatenate([step.members for step in steps])[kept_rows],
                    np.concatenate([step.positions for step in steps])[kept_rows],
                )
            )
        self.seconds += hardware.now(device) - start
