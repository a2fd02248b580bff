"""The engine of texts that are there already: all their tokens at once, in one forward pass over many texts.

No cache is used, so decoding is held against it as well. Memory does not grow with the texts: a pass shows so many
positions, a longer text takes several, and the head is applied to portions of what a pass has shown.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.utils import ModelOutput

from benchmark.anatomy.unchanged import unchanged
from benchmark.decoding.batching import padded, passes, side
from benchmark.decoding.engine import Limits, Sink, Step
from benchmark.decoding.engines.one_pass import OnePass
from benchmark.errors import MeasurementError
from benchmark.models.footprint import streamed_states
from benchmark.models.tasks import forward_logits, keeps_last, run_encoder
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.portions import portions_of
from benchmark.readout.reading import Chosen

_SHOWN = 8
"""States of one pass, at most, in portions of those that wait to be read out: larger batches are faster batches."""


@dataclass(frozen=True)
class Part:
    """The beginning of one text, as the layers run on it; its last positions are looked at."""

    prompt: int
    """Number of the prompt."""
    ids: Sequence[int]
    count: int
    """How many positions are looked at."""
    written: int
    """Which of its prompt's tokens the first of them says, counted from 0."""
    encoded: ModelOutput | None = None
    """What an encoder says of the prompt; such a text is alone in its pass."""


@dataclass(frozen=True)
class GivenText:
    """Texts that continue prompts; of each of their tokens, what the model says before it has seen it.

    The tokens that a step hands over are the model's, not those of the text.
    """

    texts: Sequence[Sequence[int]]
    """Token ids behind each prompt, at least one; of an encoder-decoder, what its decoder writes."""
    each_token: bool = False
    """Whether every token takes a pass of its own over the text before it, as in decoding without a cache."""
    most: int | None = None
    """Tokens that a text may have at most, among which a sample is drawn; None for those of the longest."""

    def decode(self, model: LoadedModel, prompts: Sequence[Sequence[int]], limits: Limits, sink: Sink) -> None:
        """Run the texts, in batches where that is possible, each once.

        A text runs once more around each length at which the model may begin to work in another way.
        """
        sink.begin(len(prompts), self.most or max(map(len, self.texts)))
        for members in self.batches(model, prompts, limits.batch_size):
            for parts in self._passes(model, prompts, members):
                for step in shown(model, parts):
                    sink.take(step)
            sink.progress(sum(len(self.texts[member]) for member in members), len(members))

    def batches(self, model: LoadedModel, prompts: Sequence[Sequence[int]], batch_size: int) -> Iterator[list[int]]:
        """Yield the numbers of the texts that share a pass, in each the shortest first.

        Texts of recurrent models share one at equal length only. A text that passes a length at which the model may
        begin to work in another way is alone, and so is one behind an encoder.

        Args:
            model: that runs them.
            prompts: token ids of each prompt.
            batch_size: the most texts that go together.
        """
        most, size = most_positions(model), batch_size if model.batchable and not self.each_token else 1
        lengths = [_begin(model, prompt) + len(text) - 1 for prompt, text in zip(prompts, self.texts, strict=True)]
        order = sorted(range(len(prompts)), key=lambda number: lengths[number])

        def alike(number: int) -> object:
            begin, new = _begin(model, prompts[number]), len(self.texts[number])
            if model.task == "encoder-decoder" or passes(begin, new, model.thresholds):
                return "alone", number
            return lengths[number] if model.recurrent else side(lengths[number], 0, model.thresholds)

        for _, run in itertools.groupby(order, key=alike):
            batch: list[int] = []
            for number in run:
                if len(batch) == size or (batch and (len(batch) + 1) * lengths[number] > most):
                    yield batch
                    batch = []
                batch.append(number)
            yield batch

    def _passes(
        self, model: LoadedModel, prompts: Sequence[Sequence[int]], members: Sequence[int]
    ) -> Iterator[list[Part]]:
        """Yield what runs in each pass that some texts take: one for all of them, or several for one."""
        if len(members) > 1:
            beginnings = [[*prompts[member], *self.texts[member][:-1]] for member in members]
            yield [
                Part(member, ids, len(self.texts[member]), 0) for member, ids in zip(members, beginnings, strict=True)
            ]
            return
        (number,) = members
        before, encoded = start(model, prompts[number])
        ids = [*before, *self.texts[number][:-1]]
        read = len(before) - 1
        inner = {*range(read + 1, len(ids))}
        if not self.each_token:
            most = most_positions(model)
            turning = {threshold + more for threshold in model.thresholds for more in (-1, 0, 1)}
            inner &= turning | {*range(read + most, len(ids), most)}
        for end in sorted(inner | {len(ids)}):
            yield [Part(number, ids[:end], end - read, read - len(before) + 1, encoded)]
            read = end


def most_positions(model: LoadedModel) -> int:
    """Return how many positions a pass may have, so that what it shows fits in memory; at least one."""
    portions = portions_of(model.device)
    states = streamed_states(model.device) if model.streamed else _SHOWN * portions.waiting_bytes
    most = states // _shown_bytes(model)
    if not keeps_last(model.model, model.task):
        most = min(most, _SHOWN * portions.logits_bytes // (4 * model.readout.vocab_size))
    return max(1, most)


def _shown_bytes(model: LoadedModel) -> int:
    """Return the bytes of what a pass shows of a token."""
    return model.anatomy.state_bytes * (2 if any(model.halves) else 1)


def start(model: LoadedModel, prompt: Sequence[int]) -> tuple[list[int], ModelOutput | None]:
    """Return the ids that the layers begin with, and what an encoder says of the prompt.

    Raises:
        MeasurementError: a decoder behind an encoder has no token to start with.
    """
    if model.task != "encoder-decoder":
        return list(prompt), None
    with unchanged(model.model, model.rewritten):
        encoded = run_encoder(model.model, model.task, torch.tensor([list(prompt)], device=model.device))
    config = model.model.generation_config
    start = config.decoder_start_token_id if config.decoder_start_token_id is not None else config.bos_token_id
    if start is None:
        raise MeasurementError("the generation config has no decoder_start_token_id, so there is nothing to start with")
    return [start], encoded


def shown(model: LoadedModel, parts: Sequence[Part]) -> Iterator[Step]:
    """Run some texts in one pass, right-padded, and yield what their last positions say of the tokens behind them.

    Each step is a portion of them, with tokens of every text as long as there are any.
    """
    counts, lengths = (np.array(some) for some in zip(*((part.count, len(part.ids)) for part in parts), strict=True))
    row = np.repeat(np.arange(len(parts)), counts)
    place = np.concatenate([np.arange(count) for count in counts])
    side_by_side = np.lexsort((row, place))
    row, place = row[side_by_side], place[side_by_side]
    ids, _ = padded([part.ids for part in parts], model.pad_id, model.device, on_the_left=False)
    seen = OnePass(model, row, (lengths - counts)[row] + place)
    few = portions_of(model.device).logits_bytes // (4 * model.readout.vocab_size)
    last = ids.shape[1]
    if keeps_last(model.model, model.task):
        last = min(last, max(1, few // len(parts)))
    with seen.watching(len(parts)):
        own = forward_logits(model.model, model.task, ids, parts[0].encoded, last)
    if model.streamed:  # a pass shows far more than may wait to be read out
        few = min(few, portions_of(model.device).waiting_bytes // _shown_bytes(model))
    portions = np.array_split(np.arange(len(row)), -(-len(row) // max(1, few)))
    chosen = _chosen(model, seen, own, ids.shape[1] - last, portions)
    numbers = np.array([part.written for part in parts])[row] + place
    axis = model.anatomy.batch_axis
    for portion, said in zip(portions, chosen, strict=True):
        cut = int(portion[0]), len(portion)
        yield Step(
            np.array([part.prompt for part in parts])[row[portion]],
            numbers[portion],
            numbers[portion],
            torch.ones(len(portion), dtype=torch.bool, device=model.device),
            said,
            [state.narrow(axis, *cut) for state in seen.states],
            [None if state is None else state.narrow(axis, *cut) for state in seen.midlayer_states],
        )


def _chosen(
    model: LoadedModel, seen: OnePass, own: Tensor, first: int, portions: Sequence[NDArray[np.int64]]
) -> list[Chosen]:
    """Return what the model's logits say of the positions of each portion.

    Args:
        model: that has run.
        seen: the positions, and the states behind the last layer at them.
        own: logits that the pass gave, texts × positions from `first` on × vocabulary; the readout is held to them.
        first: position from which on there are such logits; those before it are read out of the states.
        portions: numbers of positions, so many that their logits are cheap to hold.
    """
    found = []
    with unchanged(model.model, model.rewritten), torch.inference_mode():
        for portion in portions:
            rows, places = (of[int(portion[0]) : int(portion[-1]) + 1] for of in (seen.rows, seen.positions))
            inside = places >= first
            if inside.all():
                logits = own[rows, places - first]
            else:
                state = seen.states[-1].narrow(model.anatomy.batch_axis, int(portion[0]), len(portion))
                logits = model.readout.logits(state)[:, 0]
                logits[inside] = own[rows[inside], places[inside] - first]
            found.append(Chosen.of(logits))
    return found


def _begin(model: LoadedModel, prompt: Sequence[int]) -> int:
    """Return how many ids the layers begin with."""
    return 1 if model.task == "encoder-decoder" else len(prompt)
