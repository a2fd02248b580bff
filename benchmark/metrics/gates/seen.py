"""What gates may see: the signals of some tokens, at the layers where they look."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmark.trace.record import Trace

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Seen:
    """Signals of N tokens at K looks, below the last layer."""

    looks: NDArray[np.int64]
    """K: layers, ascending, in 1..L − 1."""
    num_layers: int
    """L."""
    vocab_size: int
    """V."""
    prompt: NDArray[np.int32]
    """N: number of the prompt."""
    matches: NDArray[np.bool_]
    """N × K: whether the layer's token is the full model's. A gate that can be built is fitted to it at most."""
    similarity_previous: NDArray[np.float32]
    """N × K: cosine of the state to that of the layer before, NaN at layer 1."""
    max_prob: NDArray[np.float32]
    """N × K: the largest probability."""
    prob_margin: NDArray[np.float32]
    """N × K: the largest minus the second largest."""
    entropy: NDArray[np.float32]
    """N × K: nats."""
    predictions: NDArray[np.int32]
    """N × K: the likeliest token."""

    @classmethod
    def of(cls, trace: Trace, vocab_size: int) -> "Seen":
        """Return what is seen of all tokens at every layer below the last: NaN and −1 of signals that were not kept."""
        below = slice(0, trace.num_layers - 1)
        shape = trace.matches[:, below].shape

        def known(name: str) -> NDArray:
            array = getattr(trace, name)
            if trace.signalled.all():
                return array[:, below]
            return np.full(shape, np.nan if array.dtype.kind == "f" else -1, array.dtype)

        return cls(
            looks=np.arange(1, trace.num_layers),
            num_layers=trace.num_layers,
            vocab_size=vocab_size,
            prompt=trace.prompt,
            matches=trace.matches[:, below],
            similarity_previous=trace.similarity_previous[:, below],
            **{name: known(name) for name in ("max_prob", "prob_margin", "entropy", "predictions")},
        )

    def tokens(self, mask: Mask) -> "Seen":
        """Return what is seen of some of the tokens."""
        arrays = {name: array[mask] for name, array in vars(self).items() if name == "prompt" or np.ndim(array) == 2}
        return replace(self, **arrays)

    def at(self, looks: NDArray[np.int64]) -> "Seen":
        """Return what is seen at some of the looks, given as layers."""
        index = np.searchsorted(self.looks, looks)
        arrays = {name: array[:, index] for name, array in vars(self).items() if np.ndim(array) == 2}
        return replace(self, looks=self.looks[index], **arrays)
