"""The engines that decode: transformers' own `generate`, undisturbed, with a watch on the last position of each layer.

Caches and positions are right for every architecture that `generate` knows. Where it writes something else than the
model's own forward pass, `Greedy` decodes, with a pass over the whole text for every token: slow, and always exact.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from benchmark.anatomy.unchanged import unchanged
from benchmark.anatomy.watch import Watch
from benchmark.decoding.batching import batches, padded
from benchmark.decoding.engine import Limits, Sink, Step
from benchmark.decoding.engines.given_text import Part, shown, start
from benchmark.decoding.text.ending import Ending
from benchmark.decoding.text.stops import Stops
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reading import Chosen


class Generate:
    """Greedy decoding of causal models and encoder-decoders.

    The first end-of-text token, or the token that completes a stop string, counts and ends a text.
    """

    def decode(self, model: LoadedModel, prompts: Sequence[Sequence[int]], limits: Limits, sink: Sink) -> None:
        """Decode every prompt greedily. Recurrent models share a batch only at equal length."""
        sink.begin(len(prompts), limits.max_new_tokens)
        stops = Stops(model, prompts, limits.stops)
        for members in batches(model, prompts, limits.batch_size, limits.max_new_tokens):
            _Watcher(model, sink, np.array(members), stops).decode([prompts[member] for member in members], limits)


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
                (step,) = shown(model, [Part(number, text, 1, written, encoded)])
                sink.take(step)
                token = int(step.chosen.target)
                text = [*text, token]
                ended = token in model.end_ids or stops.ended(number, text[read:])
                ended = ended or written == limits.max_new_tokens - 1
                sink.progress(1, int(ended))
                if ended:
                    break


class _Watcher(LogitsProcessor):
    """Sits where `generate` asks for changes to the logits, after a step's forward pass. It changes nothing."""

    def __init__(self, model: LoadedModel, sink: Sink, members: NDArray[np.int64], stops: Stops) -> None:
        self._model = model
        self._sink = sink
        self._members = members
        self._ending = Ending(model, members.tolist(), stops)
        self._watch = Watch(model.anatomy, self._keep, model.halves, self._keep_midlayer, len(members))
        self._step = 0
        # On a GPU, counting would make decoding wait for the device at every token; there ended texts count on.
        self._counts = model.device.type == "cpu"
        # Made before decoding begins: what is allocated between a prompt's activations keeps their memory from being
        # given back. Of each layer the state behind it, and of those with two halves the state in between.
        shape = list(model.anatomy.state_shape)
        shape[model.anatomy.batch_axis] = len(members)
        dtypes, device = model.anatomy.state_dtypes, model.device
        self._states = [torch.empty(shape, dtype=dtype, device=device) for dtype in dtypes]
        self._midlayer_states = [
            None if half is None else torch.empty(shape, dtype=dtype, device=device)
            for half, dtype in zip(model.halves, dtypes, strict=True)
        ]

    def decode(self, prompts: list[Sequence[int]], limits: Limits) -> None:
        """Decode one batch of prompts."""
        # What an encoder reads starts at position 0, what a decoder continues ends at the last.
        continued = self._model.task != "encoder-decoder"
        ids, mask = padded(prompts, self._model.pad_id, self._model.device, on_the_left=continued)
        with unchanged(self._model.model, self._model.rewritten), self._watch.hooks(), torch.inference_mode():
            self._model.model.generate(
                ids,
                attention_mask=mask,
                max_new_tokens=limits.max_new_tokens,
                logits_processor=LogitsProcessorList([self]),
                stopping_criteria=self._ending.criteria,
            )
        self._sink.progress(0, int(self._ending.going.sum()) if self._counts else len(prompts))

    def _keep(self, layer: int, state: Tensor) -> None:
        self._states[layer].copy_(self._model.anatomy.last_position(state))

    def _keep_midlayer(self, layer: int, state: Tensor) -> None:
        into = self._midlayer_states[layer]
        assert into is not None
        into.copy_(self._model.anatomy.last_position(state))

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Hand over what this step gave; the scores stay as they are."""
        chosen = Chosen.of(scores)
        going = self._ending.take(chosen.target)
        place = np.full(len(self._members), self._step)
        step = Step(self._members, place, place, going, chosen, self._states, self._midlayer_states)
        with self._watch.paused():
            self._sink.take(step)
        self._step += 1
        if self._counts:
            self._sink.progress(int(going.sum()), int(going.sum()) - int(self._ending.going.sum()))
        else:
            self._sink.progress(len(going), 0)
        return scores
