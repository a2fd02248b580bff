"""A batch of texts, written in every way that its model can be run in, and timed in turns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.clock.deferred import DeferredText, decode_deferred
from benchmark.clock.recording import plain_seconds
from benchmark.clock.replay import Replay
from benchmark.clock.stopwatch import Way, in_turns, seconds
from benchmark.decoding.gated.rule import NEVER, Given, Rule
from benchmark.errors import MeasurementError
from benchmark.readout.loaded_model import LoadedModel


@dataclass(frozen=True)
class KnownText:
    """A text that the full model has written, of at least two tokens."""

    number: int
    """Of its prompt."""
    prompt: Sequence[int]
    """Token ids of the prompt."""
    tokens: Sequence[int]
    """Token ids of the text."""
    matches: NDArray[np.bool_]
    """Tokens × L: whether the layer gives the token."""
    stop: tuple[str, ...] = ()
    """Strings that end the text."""

    @property
    def exits(self) -> NDArray[np.int64]:
        """For each token behind the first, the shallowest layer, in 1..L, that gives it."""
        return self.matches[1:].argmax(axis=1) + 1


@dataclass(frozen=True)
class Deferral:
    """How deferred decoding is timed."""

    rule: Rule | None
    """Of a gate; None to time it with known exits alone."""
    max_new_tokens: int
    """Tokens at most of the text that the gate writes."""
    max_pending: int
    """Tokens that may wait."""


@dataclass
class BatchTimes:
    """What a batch of texts took."""

    seconds: dict[str, list[float]]
    """Of each round, by way."""
    steps: dict[str, int]
    """Steps behind the first token, by way."""
    replayed: list[NDArray[np.bool_]]
    """Of each text: whether each token behind the first was the text's in every replay with exits."""
    written: DeferredText | None = None
    """What the gate has written."""


def time_batch(
    model: LoadedModel, texts: Sequence[KnownText], rounds: int, deferral: Deferral | None, warm_up: bool
) -> BatchTimes:
    """Return how long a batch of texts takes in every way.

    Args:
        model: with a cache.
        texts: that go together.
        rounds: how often each way is timed.
        deferral: how deferred decoding is timed, of one text; None where it is not.
        warm_up: whether each way runs once before.

    Raises:
        MeasurementError: the cache cannot be set back, or a replay in float32 gives another token.
    """
    batch = _Batch(model, texts)
    ways = batch.ways()
    if deferral is not None:
        (text,) = texts
        late = _Late(model, text, deferral)
        ways |= late.ways()
    taken = in_turns(ways, rounds, warm_up)
    steps = dict.fromkeys(taken, batch.replay.steps)
    times = BatchTimes(taken, steps, batch.replayed())
    if deferral is not None and late.written is not None:
        steps["deferred_gate"] = len(late.written.tokens) - 1
        times.written = late.written
    return times


class _Batch:
    """Texts that are replayed."""

    def __init__(self, model: LoadedModel, texts: Sequence[KnownText]) -> None:
        self._model = model
        self._texts = texts
        self._prompts = [text.prompt for text in texts]
        self.replay = Replay(model, self._prompts, [text.tokens for text in texts])
        self._exits = np.zeros(self.replay.texts.shape, np.int64)
        for row, text in enumerate(texts):
            self._exits[row, : len(text.exits)] = text.exits
        self._last = np.full_like(self._exits, model.anatomy.num_layers)
        self._same = np.ones(self.replay.texts.shape, bool)
        with self.replay.running():
            if not self.replay.faithful():
                raise MeasurementError(
                    "with its cache set back, the model gives other logits than before, so it keeps a state elsewhere"
                )
            self._can_leave_alone = self.replay.can_leave_alone(self._exits)

    def ways(self) -> dict[str, Way]:
        """Return the ways to write the texts, by name."""
        ways: dict[str, Way] = {
            "generate": lambda: plain_seconds(self._model, self._prompts, self.replay.steps + 1),
            "full": lambda: self._replayed(self._last, alone=False),
            "replay": lambda: self._replayed(self._exits, alone=False),
        }
        if self._can_leave_alone:
            ways["replay_alone"] = lambda: self._replayed(self._exits, alone=True)
        return ways

    def replayed(self) -> list[NDArray[np.bool_]]:
        """Return of each text whether its tokens were the text's in every replay with exits.

        Raises:
            MeasurementError: one was not, in float32.
        """
        if self._model.model.dtype == torch.float32 and not self._same.all():
            row, step = (int(place[0]) for place in np.nonzero(~self._same))
            raise MeasurementError(
                f"prompt {self._texts[row].number}: replayed to layer {self._exits[row, step]}, token {step + 1} is "
                "not that of the text; report this model"
            )
        return [same[: len(text.exits)] for same, text in zip(self._same, self._texts, strict=True)]

    def _replayed(self, exits: NDArray[np.int64], alone: bool) -> float:
        with self.replay.running():
            taken, tokens = seconds(lambda: self.replay.run(exits, alone), self._model.device)
        if exits is self._exits:
            self._same &= self.replay.same(tokens)
        return taken


class _Late:
    """One text whose layers run late."""

    def __init__(self, model: LoadedModel, text: KnownText, deferral: Deferral) -> None:
        self._model = model
        self._text = text
        self._deferral = deferral
        self.written: DeferredText | None = None
        """What the gate has written last."""

    def ways(self) -> dict[str, Way]:
        """Return the ways to write it, by name."""
        known = Given([[self._model.anatomy.num_layers, *self._text.exits.tolist()]])
        ways: dict[str, Way] = {
            "deferred_full": lambda: self._forced(NEVER),
            "deferred_oracle": lambda: self._forced(known),
        }
        if self._deferral.rule is not None:
            ways["deferred_gate"] = self._gated
        return ways

    def _forced(self, rule: Rule | Given) -> float:
        tokens = self._text.tokens
        return decode_deferred(
            self._model, self._text.prompt, len(tokens), rule, self._deferral.max_pending, forced=tokens
        ).seconds

    def _gated(self) -> float:
        assert self._deferral.rule is not None
        self.written = decode_deferred(
            self._model,
            self._text.prompt,
            self._deferral.max_new_tokens,
            self._deferral.rule,
            self._deferral.max_pending,
            self._text.stop,
        )
        return self.written.seconds
