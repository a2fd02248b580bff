"""What a model writes when nobody watches: transformers' own `generate`, at its full speed, with no hook on any layer.

Where an architecture lets its cache be static it is, and on CUDA transformers compiles the steps by itself then. The
texts are read afterwards, by `given_text`.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria, StoppingCriteriaList

from benchmark.anatomy.unchanged import unchanged
from benchmark.decoding.batching import batches, padded
from benchmark.decoding.buffer import Progress
from benchmark.decoding.engine import Limits
from benchmark.decoding.text.ending import Ending
from benchmark.decoding.text.stops import Stops
from benchmark.readout.loaded_model import LoadedModel


def write(model: LoadedModel, prompts: Sequence[Sequence[int]], limits: Limits, progress: Progress) -> list[list[int]]:
    """Return the token ids that a model writes behind each prompt, greedily, in the batches of `Generate`.

    The first end-of-text token, or the token that completes a stop string, counts and ends a text.

    Args:
        model: a causal model or an encoder-decoder.
        prompts: token ids of each prompt.
        limits: how much to write.
        progress: told after every step.
    """
    writer = _Writer(model, prompts, limits, progress)
    parts = list(batches(model, prompts, limits.batch_size, limits.max_new_tokens))
    static = model.model._can_compile_fullgraph
    texts: dict[int, list[int]] = {}
    with unchanged(model.model, model.rewritten):
        # Each length of a static cache is compiled anew, and it stays as long as the longest text so far needs it.
        for members in reversed(parts):
            rows = max(map(len, parts)) if _compiles(model, static) else len(members)
            try:
                texts |= writer.write(members, rows, static)
            except Exception:  # whatever compiling may raise, where there is no compiler or too little memory for one
                if not static:
                    raise
                static = False
                texts |= writer.write(members, len(members), static)
    return [texts[number] for number in range(len(prompts))]


def _compiles(model: LoadedModel, static: bool) -> bool:
    """Whether steps are compiled, each size of a batch anew, so that a batch that is not full is better filled up."""
    return static and model.device.type != "cpu"


class _Writer:
    """Writes texts batch by batch."""

    def __init__(
        self, model: LoadedModel, prompts: Sequence[Sequence[int]], limits: Limits, progress: Progress
    ) -> None:
        self._model = model
        self._prompts = prompts
        self._limits = limits
        self._progress = progress
        self._stops = Stops(model, prompts, limits.stops)

    def write(self, members: Sequence[int], rows: int, static: bool) -> dict[int, list[int]]:
        """Return what is written behind the prompts of one batch, by their numbers.

        Args:
            members: numbers of the prompts.
            rows: texts that run together, so many or more; those behind the last prompt are copies of it.
            static: whether the cache is static.
        """
        ending = Ending(self._model, members, self._stops)
        told = _Told(ending, rows - len(members), self._progress)
        # What an encoder reads starts at position 0, what a decoder continues ends at the last.
        continued = self._model.task != "encoder-decoder"
        filled = [self._prompts[number] for number in (*members, *[members[-1]] * (rows - len(members)))]
        ids, mask = padded(filled, self._model.pad_id, self._model.device, on_the_left=continued)
        cache: dict[str, Any] = {"cache_implementation": "static"} if static else {}
        # What can be compiled changes nothing about itself but how long its cache is, which is to last.
        kept = nullcontext() if static else unchanged(self._model.model, self._model.rewritten)
        # Not in inference mode, on whose tensors nothing works that is compiled; `generate` makes no gradients anyhow.
        with kept:
            out = self._model.model.generate(
                ids,
                attention_mask=mask,
                max_new_tokens=self._limits.max_new_tokens,
                stopping_criteria=StoppingCriteriaList([told]),
                **cache,
            )
        self._progress(0, int(ending.going.sum()) if told.counts else len(members))
        new = out[:, ids.shape[1] if continued else 1 :].tolist()
        lengths = told.lengths.tolist()
        return {number: new[row][: lengths[row]] for row, number in enumerate(members)}


class _Told(StoppingCriteria):
    """Sits where `generate` asks after a step which texts have ended, and counts the tokens of each up to its end."""

    def __init__(self, ending: Ending, copies: int, progress: Progress) -> None:
        """Begin with no token written.

        Args:
            ending: of the texts of the batch.
            copies: how many copies of the last text run behind them.
            progress: told after every step.
        """
        # On a GPU, counting would make decoding wait for the device at every token; there ended texts count on.
        self.counts = ending.going.device.type == "cpu"
        self.lengths = torch.zeros_like(ending.going, dtype=torch.long)
        """Tokens of each text."""
        self._ending = ending
        self._copies = copies
        self._progress = progress

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        """Return which texts have ended, one of a batch each."""
        before = self._ending.take(input_ids[: len(self.lengths), -1])
        self.lengths += before
        going = self._ending.going
        if self.counts:
            self._progress(int(before.sum()), int(before.sum()) - int(going.sum()))
        else:
            self._progress(len(before), 0)
        return torch.cat([~going, ~going[-1:].expand(self._copies)])
