"""The sink that makes a trace: tokens wait until there are enough of them to be read out in large products.

Their states take a fixed amount of memory, whatever the length of the texts and the number of prompts, and are let go
when they have been read. So memory grows neither with the text nor with the vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.anatomy.unchanged import unchanged
from benchmark.decoding.assemble import Places, assemble
from benchmark.decoding.engine import Engine, Limits, Step
from benchmark.models import hardware
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.portions import portions_of
from benchmark.readout.reader import Reader
from benchmark.readout.reading import Chosen, Reading
from benchmark.trace.record import Trace
from benchmark.trace.sample import Sampling

Progress = Callable[[int, int], None]
"""Told, after every step, how many tokens and how many prompts were finished by it."""
Phase = Callable[[str], None]
"""Told what is done next, in a few words, such as `decoding`."""


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


def capture(
    engine: Engine,
    model: LoadedModel,
    prompts: Sequence[Sequence[int]],
    limits: Limits,
    sampling: Sampling = Sampling(),  # noqa: B008 - frozen
    progress: Progress = lambda tokens, prompts: None,
    given: Sequence[Sequence[int]] | None = None,
    phase: Phase = lambda what: None,
) -> Capture:
    """Run an engine over prompts and record every exit of every token.

    Args:
        engine: runs the model.
        model: to run.
        prompts: token ids of each prompt.
        limits: how much to run.
        sampling: which tokens are looked at with all their logits.
        progress: told after every step.
        given: token ids of the texts behind the prompts that the engine runs; None where the model writes them.
        phase: told when the model runs, and when its exits are read.

    Raises:
        MeasurementError: the logits of some layer are NaN, K is larger than the vocabulary, the readout of the last
            layer is not the model's own, no token was generated, or the engine cannot run the model.
    """
    start = hardware.now(model.device)
    masked = model.task == "masked"
    running = "filling masks" if masked else "decoding" if given is None else "running texts"
    buffer = ReadingBuffer(model, sampling, progress, phase, running)
    phase(running)
    engine.decode(model, prompts, limits, buffer)
    buffer.read()
    # A decoder behind an encoder begins a text of its own.
    texts = [[] for _ in prompts] if model.task == "encoder-decoder" else prompts
    trace = assemble(model.tokenizer, texts, buffer.places, buffer.readings, masked, given)
    total = hardware.now(model.device) - start
    seconds = total - buffer.seconds, buffer.seconds
    return Capture(trace, buffer.batch_size, *seconds, buffer.reader.products)


class ReadingBuffer:
    """Tokens that were decoded and not read out yet, and the readings of the others."""

    def __init__(
        self,
        model: LoadedModel,
        sampling: Sampling,
        progress: Progress,
        phase: Phase = lambda what: None,
        running: str = "",
    ) -> None:
        """Hold nothing yet.

        Args:
            model: whose tokens are read.
            sampling: which tokens are looked at with all their logits.
            progress: told after every step.
            phase: told when tokens are read, and when the model runs again.
            running: what the model does then.

        Raises:
            MeasurementError: K is larger than the vocabulary.
        """
        self.reader = Reader(model.readout, model.anatomy, sampling.top_k, sampling.signals == "all")
        self.places: list[Places] = []
        self.readings: list[Reading] = []
        self.seconds = 0.0
        """Spent on reading."""
        self.batch_size = 0
        """The most prompts of one step."""
        self.progress = progress
        self._phase, self._running = phase, running
        self._model = model
        self._sampling = sampling
        self._sampled: NDArray[np.bool_]
        self._steps: list[_Kept] = []
        self._tokens = 0
        portions = portions_of(model.device)
        self._capacity = max(1, min(portions.waiting_tokens, portions.waiting_bytes // model.anatomy.state_bytes))

    def begin(self, prompts: int, tokens: int) -> None:
        """Draw the sample among the places of so many prompts of at most so many tokens each."""
        self._sampled = self._sampling.choose(prompts, tokens)

    def take(self, step: Step) -> None:
        """Let the tokens of one step wait; read all that wait when they are enough."""
        self.batch_size = max(self.batch_size, len(np.unique(step.prompts)))
        sampled = self._sampled[step.prompts, step.numbers]
        places = Places(step.prompts, step.positions)
        midlayer = self._of_sample(step.midlayer_states, sampled)
        self._steps.append(_Kept(places, sampled, step.going, step.chosen, _copies(step.states), midlayer))
        self._tokens += len(step.prompts)
        if self._tokens >= self._capacity:
            self.read()
            self._phase(self._running)

    def _of_sample(self, states: Sequence[Tensor | None], sampled: NDArray[np.bool_]) -> list[Tensor | None]:
        """Return copies of some of the tokens of each state; None where there are none."""
        if not sampled.any():
            return [None] * len(states)
        # Without waiting: the device has a step to do, and the next is launched meanwhile.
        rows = torch.from_numpy(sampled.nonzero()[0]).to(self._model.device, non_blocking=True)
        axis = self._model.anatomy.batch_axis
        return [None if state is None else state.index_select(axis, rows) for state in states]

    def read(self) -> None:
        """Read out all that wait."""
        self._phase("reading exits")
        start = hardware.now(self._model.device)
        steps, self._steps, self._tokens = self._steps, [], 0
        if steps:
            with unchanged(self._model.model, self._model.rewritten):
                self._read(steps)
        self.seconds += hardware.now(self._model.device) - start

    def _read(self, steps: list["_Kept"]) -> None:
        anatomy, device = self._model.anatomy, self._model.device
        axis, layers = anatomy.batch_axis, range(anatomy.num_layers)
        going = torch.cat([step.going for step in steps])
        rows = going.nonzero()[:, 0]
        states = [
            torch.cat([step.states[layer].to(device) for step in steps], dim=axis).index_select(axis, rows)
            for layer in layers
        ]
        sampled = torch.from_numpy(np.concatenate([step.sampled for step in steps])).to(device)
        # Among the sampled tokens, those whose text had not ended.
        kept = going[sampled].nonzero()[:, 0]
        parts = [[part.to(device) for step in steps if (part := step.midlayer[layer]) is not None] for layer in layers]
        # An engine that does not watch the middles of layers hands over none.
        midlayer = [
            torch.cat(some, dim=axis).index_select(axis, kept) if some and len(kept) else None for some in parts
        ]
        chosen = Chosen.joined([step.chosen for step in steps]).at(rows)
        self.readings.append(self.reader.read(states, chosen, sampled[rows], midlayer))
        self.places.append(Places.joined([step.places for step in steps]).at(rows.cpu().numpy()))


def _copies(states: Sequence[Tensor]) -> list[Tensor]:
    """Return copies of states, made in one operation where they are of one type: on a GPU each is launched apart."""
    if len({state.dtype for state in states}) == 1:
        return list(torch.stack(list(states)).unbind())
    return [state.clone() for state in states]


@dataclass(frozen=True)
class _Kept:
    """Copies of what one step showed, on the device."""

    places: Places
    sampled: NDArray[np.bool_]
    going: Tensor
    chosen: Chosen
    states: list[Tensor]
    midlayer: list[Tensor | None]
    """Of the sampled tokens only; None where none is sampled, or a layer has no two halves."""
