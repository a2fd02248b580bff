"""What one forward pass over some texts shows at some of their positions."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.anatomy.unchanged import unchanged
from benchmark.anatomy.watch import Watch
from benchmark.readout.loaded_model import LoadedModel


class OnePass:
    """States of some positions, in the layout of as many texts of one position."""

    def __init__(self, model: LoadedModel, rows: NDArray[np.int64], positions: NDArray[np.int64]) -> None:
        """Name the positions.

        Args:
            model: to watch.
            rows: R numbers of the texts in the batch.
            positions: R positions in them.
        """
        self._model = model
        self.rows = torch.tensor(rows, device=model.device)
        self.positions = torch.tensor(positions, device=model.device)
        self.states: list[Tensor] = []
        """L states, once the model has run."""
        self.midlayer_states: list[Tensor | None] = [None] * model.anatomy.num_layers
        """L states between the halves of the layers; None where a layer has no two halves."""

    @contextmanager
    def watching(self, texts: int) -> Iterator[None]:
        """Keep what the model shows inside the block, where it runs once on so many texts."""
        watch = Watch(self._model.anatomy, self._keep, self._model.halves, self._keep_midlayer, texts)
        with unchanged(self._model.model, self._model.rewritten), watch.hooks(), torch.inference_mode():
            yield

    def _keep(self, _: int, state: Tensor) -> None:
        self.states.append(self._pick(state))

    def _keep_midlayer(self, layer: int, state: Tensor) -> None:
        self.midlayer_states[layer] = self._pick(state)

    def _pick(self, state: Tensor) -> Tensor:
        rows, positions = self.rows.to(state.device), self.positions.to(state.device)
        return self._model.anatomy.select(state, rows, positions).to(self._model.device)
