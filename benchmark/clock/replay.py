"""Replay: a text that is known, its cache filled with true states, and at every step the layers up to the exit only.

Nothing decides and nothing is missing, so what is saved is what layers are worth on this machine, and no rule can save
more. Every token that a replay gives is held against the text.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.anatomy.hooks import replaced_forward
from benchmark.anatomy.layers import Layer
from benchmark.anatomy.unchanged import unchanged
from benchmark.clock.recording import CACHES, of_rows, record, selected
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reader import TOLERANCE

_TRIED = 8
"""Steps in which it is tried whether texts can leave one by one."""


class Replay:
    """A batch of texts, ready to be run again to any depth."""

    def __init__(self, model: LoadedModel, prompts: Sequence[Sequence[int]], texts: Sequence[Sequence[int]]) -> None:
        """Write the texts once.

        Args:
            model: a causal model or an encoder-decoder, with a cache.
            prompts: token ids of each prompt of a batch.
            texts: token ids of the text behind each.

        Raises:
            MeasurementError: the model keeps no cache that could be set back.
        """
        self._model = model
        recording = record(model, prompts, texts)
        self._largest = recording.largest
        self._known = recording.known
        self._held: Tensor | None = None
        self._cache = {recording.cache_name: recording.known.cache}
        self.steps = len(recording.calls)
        """S: forward passes behind the prompts."""
        self.texts = np.full((len(texts), self.steps), -1, np.int64)
        """Texts × S: the token of each step, the second of a text and so on; −1 where it has ended."""
        for row, text in enumerate(texts):
            self.texts[row, : len(text) - 1] = text[1:]
        self._rows = [self._going(step) for step in range(self.steps)]
        self._calls = [
            call if rows is None else of_rows(call, rows, len(texts))
            for call, rows in zip(recording.calls, self._rows, strict=True)
        ]

    def can_leave_alone(self, exits: NDArray[np.int64]) -> bool:
        """Return whether texts of the batch can leave one by one, tried in some steps; `running` must be around it.

        That takes a cache of keys and values alone, and layers that know which of what they are given is of which text.
        """
        if len(self.texts) == 1 or not self._known.keys_only:
            return False
        try:
            alone, together = (self.same(self.run(exits[:, :_TRIED], alone)) for alone in (True, False))
            return bool((alone == together).all())
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError, ValueError, LookupError, AttributeError):
            return False

    def run(self, exits: NDArray[np.int64], alone: bool = False) -> list[Tensor]:
        """Return the tokens of each step, of the texts that have not ended; `running` must be around it.

        Args:
            exits: texts × S, the layer, in 1..L, that each token leaves at; of the first steps alone, if it has fewer.
            alone: whether a text leaves by itself; else all stay until the last of them may leave.
        """
        with torch.inference_mode():
            return [self._step(step, exits[:, step], alone).argmax(-1) for step in range(exits.shape[1])]

    def faithful(self) -> bool:
        """Return whether all layers give the logits that they gave before; `running` must be around it.

        They do not where a model keeps a state elsewhere than in its cache.
        """
        last = np.full(len(self.texts), self._model.anatomy.num_layers)
        with torch.inference_mode():
            for step, (rows, before) in enumerate(zip(self._rows, self._largest, strict=True)):
                largest = self._step(step, last, alone=False).max(-1).values
                expected = before if rows is None else before[rows]
                rounding = 2 * TOLERANCE[self._model.model.dtype] * expected.abs().max()
                if (largest - expected).abs().max() > rounding:
                    return False
        return True

    def same(self, tokens: Sequence[Tensor]) -> NDArray[np.bool_]:
        """Return which tokens of a run are the text's, texts × S; true where a text has ended."""
        found = np.ones(self.texts.shape, bool)
        for step, given in enumerate(tokens):
            going = self.texts[:, step] >= 0
            found[going, step] = given.cpu().numpy() == self.texts[going, step]
        return found

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside the block the layers of the model run as far as a step says; it is restored on leaving it."""
        with ExitStack() as stack:
            stack.enter_context(unchanged(self._model.model, self._model.rewritten))
            for number, layer in enumerate(self._model.anatomy.layers, start=1):
                stack.enter_context(replaced_forward(layer.module, self._upto(number, layer, layer.module.forward)))
            yield

    def _step(self, step: int, exits: NDArray[np.int64], alone: bool) -> Tensor:
        going = self._rows[step]
        self._exits = exits[self.texts[:, step] >= 0]
        self._deepest, self._alone, self._held = int(self._exits.max()), alone, None
        self._known.at(step, going)
        output = self._model.model(**self._calls[step], **self._cache)
        logits: Tensor = output.logits[:, -1]
        return logits

    def _going(self, step: int) -> Tensor | None:
        """Return the rows of the texts that have not ended before a step; None for all."""
        going = self.texts[:, step] >= 0
        return None if going.all() else torch.from_numpy(going.nonzero()[0]).to(self._model.device)

    def _upto(self, number: int, layer: Layer, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Return a forward pass of a layer that runs as far as the tokens of a step need it."""

        def run(*args: Any, **kwargs: Any) -> Any:
            if number > self._deepest:
                return layer.returning(layer.state_in(args, kwargs))
            staying = self._exits >= number
            if self._alone and not staying.all():
                return self._of_some(staying, layer, forward, args, kwargs)
            output = forward(*args, **kwargs)
            return output if self._alone else self._holding(number, layer, output)

        return run

    def _holding(self, number: int, layer: Layer, output: Any) -> Any:
        """Return what a layer returned; behind the last one that runs, with the states that tokens left with."""
        leaving = self._exits == number
        if self._held is None and (leaving.all() or not leaving.any()):
            return output
        state = layer.state_out(output)
        if self._held is None:
            self._held = state.clone()
        elif leaving.any():
            rows = torch.from_numpy(leaving.nonzero()[0]).to(state.device)
            axis = self._model.anatomy.batch_axis
            held = self._held.to(state.device, state.dtype)
            self._held = held.index_copy(axis, rows, state.index_select(axis, rows))
        return layer.with_state(output, self._held) if number == self._deepest else output

    def _of_some(
        self,
        staying: NDArray[np.bool_],
        layer: Layer,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Return what a layer returns for the tokens that stay, and of the others the states they left with."""
        state, axis = layer.state_in(args, kwargs), self._model.anatomy.batch_axis
        rows = torch.from_numpy(staying.nonzero()[0]).to(state.device)
        everyone = self._known.rows
        self._known.rows = rows if everyone is None else everyone[rows]
        given = {name: value for name, value in kwargs.items() if name in CACHES}
        others = {name: value for name, value in kwargs.items() if name not in CACHES}
        output = forward(*selected(args, rows, len(staying)), **of_rows(others, rows, len(staying)), **given)
        self._known.rows = everyone
        return layer.returning(state.index_copy(axis, rows, layer.state_out(output).to(state.dtype)))
