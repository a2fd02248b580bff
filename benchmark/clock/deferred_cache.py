"""A cache whose layers have seen different numbers of positions: the deeper, the fewer."""

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from benchmark.errors import MeasurementError


class DeferredCache:
    """Keys and values of one text. Layers that positions wait for say that they have seen no more than all layers have.

    So the model makes masks for all positions that wait, and a layer is given the rows of those that it runs.
    """

    def __init__(self, filled: Any) -> None:
        """Begin with the cache that a prompt has left.

        Raises:
            MeasurementError: it holds something else than keys and values of positions.
        """
        if type(filled) is not DynamicCache:
            kind = "no cache" if filled is None else f"a {type(filled).__name__}"
            raise MeasurementError(f"the model keeps {kind}, of which no layer can lag behind")
        self._layers = [_deferred(layer) for layer in filled.layers]
        self.cache: Cache = DynamicCache()
        """What the model is given."""
        self.cache.layers = list(self._layers)

    def begin(self, positions: int) -> None:
        """Begin a step before which all layers have seen so many positions."""
        for layer in self._layers:
            layer.cumulative_length = positions


def _deferred(layer: Any) -> Any:
    if type(layer) is DynamicSlidingWindowLayer:
        return _Sliding(layer)
    if type(layer) is DynamicLayer:
        return _Full(layer)
    raise MeasurementError(f"the cache has a {type(layer).__name__}, which cannot lag behind")


class _Full(DynamicLayer):
    """Keys and values of all positions that the layer has run for."""

    keys: Tensor
    values: Tensor

    def __init__(self, filled: DynamicLayer) -> None:
        for name, value in vars(filled).items():
            setattr(self, name, value)
        self.cumulative_length = self._seen = filled.get_seq_length()

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Add some positions; returns keys and values as far back as the mask of the step reaches."""
        self.keys = torch.cat([self.keys, key_states], dim=-2)
        self.values = torch.cat([self.values, value_states], dim=-2)
        self._seen += key_states.shape[-2]
        hidden = max(self._first() - (self._seen - self.keys.shape[-2]), 0)
        return self.keys[..., hidden:, :], self.values[..., hidden:, :]

    def get_seq_length(self) -> int:
        """Return how many positions all layers have seen."""
        return self.cumulative_length

    def _first(self) -> int:
        """Return the first position that the mask of the step reaches."""
        return 0


class _Sliding(_Full, DynamicSlidingWindowLayer):
    """The same of a layer that looks back a window; what lies before it is kept."""

    update = _Full.update
    get_seq_length = _Full.get_seq_length
    get_mask_sizes = DynamicSlidingWindowLayer.get_mask_sizes

    def _first(self) -> int:
        return max(self.cumulative_length - self.sliding_window + 1, 0)
