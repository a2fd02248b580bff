"""The engines that use no cache: each text alone, in the model's own forward pass and nothing else.

`GivenText` reads texts that are there already; decoding is held against it. `Greedy` writes texts,
with a pass for every token. That is slow, and exact for every model, also where `generate` writes something else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers.utils import ModelOutput

from benchmark.anatomy.unchanged import unchanged
from benchmark.decoding.engine import Limits, Sink, Step
from benchmark.decoding.one_pass import OnePass
from benchmark.decoding.text.stops import Stops
from benchmark.errors import MeasurementError
from benchmark.models.tasks import forward_logits, run_encoder
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reading import Chosen


@dataclass(frozen=True)
class GivenText:
    """Texts that continue prompts; of each of their tokens, what the model says before it has seen it."""

    texts: Sequence[Sequence[int]]
    """Token ids behind each prompt, at least one; of an encoder-decoder, what its decoder writes."""
    each_token: bool = False
    """Whether every token takes a pass of its own over the text before it, as in greedy decoding."""

    def decode(self, model: LoadedModel, prompts: Sequence[Sequence[int]], limits: Limits, sink: Sink) -> None:
        """Run each text once, and once more around each length at which the model may begin to work in another way.

        The tokens that a step hands over are the model's, not those of the text.
        """
        sink.begin(len(prompts), max(map(len, self.texts)))
        for number, (prompt, text) in enumerate(zip(prompts, self.texts, strict=True)):
            before, encoded = start(model, prompt)
            ids = [*before, *text[:-1]]
            read = len(before) - 1
            inner = set(range(read + 1, len(ids)))
            if not self.each_token:
                inner &= {threshold + more for threshold in model.thresholds for more in (-1, 0, 1)}
            for end in sorted(inner | {len(ids)}):
                sink.take(_step(model, number, ids[:end], end - read, read - len(before) + 1, encoded))
                read = end
            sink.progress(len(text), 1)


class Greedy:
    """Greedy decoding of causal models and encoder-decoders, with a pass over the whole text for every token."""

    def decode(self, model: LoadedModel, prompts: Sequence[Sequence[int]], limits: Limits, sink: Sink) -> None:
        """Decode every prompt; the first end-of-text token, or the one that completes a stop string, ends a text."""
        sink.begin(len(prompts), limits.max_new_tokens)
        stops = Stops(model, prompts, limits.stops)
        for number, prompt in enumerate(prompts):
            text, encoded = start(model, prompt)
            read = len(text)
            for written in range(limits.max_new_tokens):
                step = _step(model, number, text, 1, written, encoded)
                sink.take(step)
                token = int(step.chosen.target)
                text = [*text, token]
                ended = token in model.end_ids or stops.ended(number, text[read:])
                ended = ended or written == limits.max_new_tokens - 1
                sink.progress(1, int(ended))
                if ended:
                    break


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


def _step(
    model: LoadedModel, prompt: int, ids: Sequence[int], count: int, written: int, encoded: ModelOutput | None
) -> Step:
    """Return what the last `count` positions of a text say of the tokens behind them, the first being `written`."""
    numbers = np.arange(count)
    seen = OnePass(model, np.zeros_like(numbers), len(ids) - count + numbers)
    with seen.watching(1):
        of_text = torch.tensor([list(ids)], device=model.device)
        chosen = Chosen.of(forward_logits(model.model, model.task, of_text, encoded, last=count)[0])
    going = torch.ones(count, dtype=torch.bool, device=model.device)
    places = np.full(count, prompt), written + numbers, written + numbers
    return Step(*places, going, chosen, seen.states, seen.midlayer_states)
