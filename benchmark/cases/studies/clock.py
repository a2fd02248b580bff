"""The study of the clock: seconds of the same texts, written in several ways, one beside the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from benchmark.cases.identity import Asked
from benchmark.cases.studies.chosen_gate import chosen_gate, halves
from benchmark.cases.studies.drafting import drafted
from benchmark.cases.studies.feeding import Fed, failures_told, feed, model_columns
from benchmark.cases.studies.gated_rule import asked_looks, rule_of
from benchmark.cases.studies.study import Outcome, Shared
from benchmark.clock.deferred import DeferredText
from benchmark.clock.proof import prove_deferred
from benchmark.clock.timed_batch import BatchTimes, Deferral, KnownText, time_batch
from benchmark.decoding.batching import batches
from benchmark.decoding.buffer import Progress
from benchmark.decoding.engine import Limits
from benchmark.decoding.gated.rule import Rule
from benchmark.decoding.proven import capture_proven
from benchmark.errors import MeasurementError
from benchmark.inputs.settings import DEFAULT_BATCH_SIZE, ClockSettings
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.experiments.studies import RECORDED
from benchmark.models import hardware
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.record import Trace
from benchmark.trace.sample import Sampling
from benchmark.trace.timed import Clocked, Drafted, Late, Timed, Timing


@dataclass(frozen=True)
class Clock:
    """Times the full model's texts as they are, with exits that are known, and with exits that are decided."""

    name: str = "clock"
    experiments: tuple[Experiment[Any, Any], ...] = RECORDED["clock"].experiments

    def run(self, model: LoadedModel, asked: Asked, progress: Progress, shared: Shared) -> Outcome:
        """Return how long the ways take that this model can be run in.

        Raises:
            MeasurementError: no prompt fits the context, no text has a second token, the cache of the model cannot be
                set back, a replay in float32 gives another token, or memory ran out.
        """
        assert asked.clock is not None
        if model.task == "masked":
            raise MeasurementError("encoders write no text, so there are no steps to time; choose the oracle study")
        if asked.given:
            raise MeasurementError("the texts are given, so nothing is decoded; choose the oracle study")
        if not model.with_cache:
            raise MeasurementError("the model is decoded without a cache, so there are no steps of one token to time")
        return _Case(model, asked, asked.clock, shared).outcome(progress)


CLOCK = Clock()


class _Case:
    """One case, from prompts to record."""

    def __init__(self, model: LoadedModel, asked: Asked, clock: ClockSettings, shared: Shared) -> None:
        self._model = model
        self._clock = clock
        self._shared = shared
        self._fed = feed(model, asked)
        self._columns: dict[str, Any] = {}
        """Columns that say with what threshold a gate decided, and why something was not timed."""

    def outcome(self, progress: Progress) -> Outcome:
        """Return the record of the case, and what is known of how it was made."""
        model, fed = self._model, self._fed
        hardware.reset_peak_memory(model.device)
        with failures_told(fed):
            trace = self._known()
            texts = _texts(trace, fed)
            progress(0, fed.left_out + len(fed.ids) - len(texts))
            deferrals = self._deferrals(texts)
            size, new_tokens = self._clock.batch_size, fed.limits.max_new_tokens
            groups = list(batches(model, [text.prompt for text in texts], size, new_tokens))
            times = []
            self._shared.phase("timing")
            for number, members in enumerate(groups):
                together = [texts[member] for member in members]
                deferral = deferrals.get(members[0])
                times.append(time_batch(model, together, self._clock.rounds, deferral, warm_up=number == 0))
                progress(sum(len(text.tokens) for text in together), len(together))
            self._shared.phase("timing drafts")
            speculation = self._drafted(trace, texts) if size == 1 else ()
        if size > 1 and not any("replay_alone" in one.seconds for one in times):
            self._columns["alone_missing"] = "no batch has layers that can be run for some of its texts"
        record = _record(texts, groups, times, speculation, model.anatomy.num_layers)
        columns = {
            **model_columns(model),
            **fed.only([text.number for text in texts]).columns,
            **self._columns,
            "prompts_left_out": fed.left_out + len(fed.ids) - len(texts),
            "batch_size": max(map(len, groups)),
            "tokens": record.num_tokens,
            "with_cache": True,
            "peak_memory_bytes": hardware.peak_memory(model.device),
        }
        return Outcome(record, columns)

    def _known(self) -> Trace:
        """Return the full model's texts and the matches of every layer, numbered as the prompts that are fed."""
        fed = self._fed
        limits = Limits(fed.limits.max_new_tokens, DEFAULT_BATCH_SIZE, fed.limits.stops)
        sampling = Sampling(tokens=1, top_k=1)

        def known() -> Trace:
            self._shared.phase("writing the texts")
            return capture_proven(self._model, fed.prompts, limits, sampling).capture.trace

        return self._shared.once(("known", tuple(map(tuple, fed.prompts)), limits), known)

    def _deferrals(self, texts: Sequence[KnownText]) -> dict[int, Deferral]:
        """Return how deferred decoding is timed, by the place of the text; nothing where it cannot be."""
        if self._clock.batch_size > 1:
            return {}
        try:
            self._shared.once("deferred", lambda: prove_deferred(self._model))
        except MeasurementError as error:
            self._columns["deferred_missing"] = str(error)
            return {}
        rule, judged = self._rule({text.number for text in texts})
        most, pending = self._fed.limits.max_new_tokens, self._clock.max_pending
        return {
            place: Deferral(rule if text.number in judged else None, most, pending) for place, text in enumerate(texts)
        }

    def _rule(self, timed: set[int]) -> tuple[Rule | None, set[int]]:
        """Return the rule of the gate, and the numbers of the prompts, of those timed, that it decides about."""
        gated, layers = self._clock.gate, self._model.anatomy.num_layers
        if gated is None:
            return None, set()
        try:
            judged, calibration = halves(self._fed, gated)
            if not timed & {*judged.ids}:
                raise MeasurementError("no text that it would decide about has a second token")
            chosen = chosen_gate(self._model, gated, calibration, self._shared)
        except MeasurementError as error:
            self._columns["deferred_missing"] = f"of a gate: {error}"
            return None, set()
        self._columns |= {
            "threshold": chosen.threshold,
            "calibration_prompts": None if calibration is None else len(calibration.ids),
            "calibration_agreement": chosen.agreement,
        }
        looks, words = asked_looks(gated, layers).tolist(), self._model.readout.vocab_size
        return rule_of(chosen.gate, chosen.threshold, looks, layers, words), timed & {*judged.ids}

    def _drafted(self, trace: Trace, texts: Sequence[KnownText]) -> tuple[Drafted, ...]:
        """Return how long self-speculation takes; nothing where transformers has none for this model."""
        try:
            return drafted(self._model, trace, texts, self._clock.rounds)
        except MeasurementError as error:
            self._columns["drafted_missing"] = str(error)
            return ()


def _texts(trace: Trace, fed: Fed) -> list[KnownText]:
    """Return the texts that have a step to time.

    Args:
        trace: prompts counted as they are fed.
        fed: the prompts.

    Raises:
        MeasurementError: there is none.
    """
    texts = []
    for place, (number, prompt) in enumerate(fed.ids.items()):
        mine = trace.prompt == place
        if mine.sum() > 1:
            stop = fed.asked.prompts[number].stop
            texts.append(KnownText(number, prompt, trace.target[mine].tolist(), trace.matches[mine], stop))
    if not texts:
        raise MeasurementError("no text has a second token, so there is no step to time; take more new tokens")
    return texts


def _record(
    texts: Sequence[KnownText],
    groups: Sequence[Sequence[int]],
    times: Sequence[BatchTimes],
    speculation: tuple[Drafted, ...],
    num_layers: int,
) -> Timed:
    """Return the record of texts that were timed in groups."""
    group_of = {member: number for number, members in enumerate(groups) for member in members}
    replayed = {
        member: same
        for members, one in zip(groups, times, strict=True)
        for member, same in zip(members, one.replayed, strict=True)
    }
    lengths = [len(text.exits) for text in texts]
    written = [
        (texts[member].tokens, one.written)
        for members, one in zip(groups, times, strict=True)
        for member in members
        if one.written is not None
    ]
    return Timed(
        Clocked(num_layers, _timings(times), _late(written, num_layers), speculation),
        prompt=np.repeat([text.number for text in texts], lengths),
        position=np.concatenate([np.arange(1, length + 1) for length in lengths]),
        token=np.concatenate([text.tokens[1:] for text in texts]),
        exit_layer=np.concatenate([text.exits for text in texts]),
        group=np.repeat([group_of[member] for member in range(len(texts))], lengths),
        replayed=np.concatenate([replayed[member] for member in range(len(texts))]),
    )


def _late(written: Sequence[tuple[Sequence[int], DeferredText]], num_layers: int) -> Late | None:
    """Return what a gate made of some texts; None of none.

    Args:
        written: the tokens of the full model's text behind each prompt, and what the gate wrote there.
        num_layers: L.
    """
    if not written:
        return None
    exits = [layer for _, text in written for layer in text.exits[1:]]
    waited = [count for _, text in written for count in text.pending[1:]]
    return Late(
        pending=tuple(np.bincount(waited).tolist()),
        exits=tuple(np.bincount(exits, minlength=num_layers + 1)[1:].tolist()),
        same=sum(_same_until(full, text.tokens) - 1 for full, text in written),
    )


def _same_until(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _timings(times: Sequence[BatchTimes]) -> tuple[Timing, ...]:
    """Return what each way took, over the groups that were timed in it."""
    found = []
    for way in dict.fromkeys(way for one in times for way in one.seconds):
        timed = [number for number, one in enumerate(times) if way in one.seconds]
        rounds = np.array([times[number].seconds[way] for number in timed]).T
        steps = tuple(times[number].steps[way] for number in timed)
        found.append(Timing(way, tuple(timed), steps, tuple(map(tuple, rounds.tolist()))))
    return tuple(found)
