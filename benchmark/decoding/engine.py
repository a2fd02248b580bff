"""An engine runs a model over prompts and hands every step to a sink; it knows nothing of reading states out.

One file is one engine: `generate` decodes, `fill_masks` runs encoders. How to add one: docs/extending.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reading import Chosen


@dataclass(frozen=True)
class Limits:
    """How much an engine runs."""

    max_new_tokens: int
    """Tokens a prompt at most; of an encoder, masked positions a text."""
    batch_size: int
    """The most prompts that run together."""
    stops: tuple[tuple[str, ...], ...] = ()
    """Stop strings of each prompt, which end its text; empty if none has any."""


@dataclass(frozen=True)
class Step:
    """R tokens that a model chose in one forward pass. A sink copies the tensors that it keeps."""

    prompts: NDArray[np.int64]
    """R: numbers of the prompts, counted from 0."""
    numbers: NDArray[np.int64]
    """R: which of its prompt's tokens each is, counted from 0."""
    positions: NDArray[np.int64]
    """R: where it stands in the text, counted from 0."""
    going: Tensor
    """R: whether the text had not ended before; where it had, the token does not count."""
    chosen: Chosen
    """What the model's own logits say of the R tokens."""
    states: Sequence[Tensor]
    """L: what the layers returned, in the layout of R texts of one position."""
    midlayer_states: Sequence[Tensor | None]
    """L: the states between the halves of the layers, likewise; None where a layer has no two halves."""


class Sink(Protocol):
    """What takes the steps of an engine."""

    def begin(self, prompts: int, tokens: int) -> None:
        """Prepare for so many prompts of at most so many tokens each; called once, before the first step."""

    def take(self, step: Step) -> None:
        """Take one step. The model may be run meanwhile; the engine does not watch it then."""

    def progress(self, tokens: int, prompts: int) -> None:
        """Count tokens and prompts that are finished since the last call."""


class Engine(Protocol):
    """A way to run a model over prompts."""

    def decode(self, model: LoadedModel, prompts: Sequence[Sequence[int]], limits: Limits, sink: Sink) -> None:
        """Run every prompt and hand each step to the sink.

        Args:
            model: to run.
            prompts: token ids of each prompt.
            limits: how much to run.
            sink: takes the steps.

        Raises:
            MeasurementError: this engine cannot run the model or these prompts.
        """
