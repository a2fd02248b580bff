"""No case without proof: it is run in the fastest way that holds, and some of its own texts are read again.

Each is read alone and without a cache; of texts that were there before they were read, their beginnings. What a model
wrote before has to be what it says when it reads, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.decoding.batching import batches, passes
from benchmark.decoding.buffer import Capture, Phase, Progress, capture
from benchmark.decoding.engine import Engine, Limits
from benchmark.decoding.engines.fill_masks import FillMasks, Masked
from benchmark.decoding.engines.generate import Generate, Greedy
from benchmark.decoding.engines.given_text import GivenText
from benchmark.decoding.proof import STRAY, STRAY_16_BIT, beyond_rounding, trace_of
from benchmark.decoding.two_phase import capture_in_two_phases
from benchmark.errors import MeasurementError
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.record import NEAR_TIE, Trace
from benchmark.trace.sample import Sampling

BEGINNING = 32
"""Tokens of a given text that are read again."""
_AGAIN = "reading some again"


@dataclass(frozen=True)
class Again:
    """Tokens of a trace that were read again, each text alone and in one pass without a cache."""

    tokens: int
    """How many."""
    differing: int
    """How many of them have another token or another exit then."""
    same_model: bool
    """Whether no more than rounding lies between the two readings."""
    worst: int
    """Number of the prompt with most tokens that differ by more than rounding."""


@dataclass(frozen=True)
class Proven:
    """A capture, the way the model was run for it, and what came of reading some of it again."""

    capture: Capture
    model: LoadedModel
    again: Again
    in_two_phases: bool = False
    """Whether the texts were written first and read after."""


def capture_proven(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    limits: Limits,
    sampling: Sampling = Sampling(),  # noqa: B008 - frozen
    progress: Progress = lambda tokens, prompts: None,
    given: Sequence[Sequence[int]] | None = None,
    in_two_phases: bool = False,
    phase: Phase = lambda what: None,
) -> Proven:
    """Run a model over prompts in the fastest way that holds: in batches, alone, without a cache.

    Before these, two phases are tried if asked for. Given texts are run in batches, alone, or at worst with a pass for
    every token.

    Args:
        loaded: the model.
        prompts: token ids of each prompt.
        limits: how much to run.
        sampling: which tokens are looked at with all their logits.
        progress: told after every step.
        given: token ids of texts that continue the prompts, at least one each; None for what the model writes itself.
        in_two_phases: whether to write the texts first and read them after, where that holds; not of an encoder, nor of
            given texts.
        phase: told what is done next.

    Raises:
        MeasurementError: as `capture` does, no way holds, or a model that is streamed is to write.
    """
    if loaded.streamed and given is None:
        raise MeasurementError("weights that are streamed would be read as a whole for each token; give texts", "texts")
    if in_two_phases and loaded.with_cache:
        phases = capture_in_two_phases(loaded, prompts, limits, sampling, progress, phase)
        phase(_AGAIN)
        again = _begin_again(phases.read, loaded, prompts, phases.capture.trace, len(prompts))
        if again.same_model and _wrote_what_it_says(loaded, phases.capture.trace):
            return Proven(phases.capture, loaded, again, in_two_phases=True)
    # Where texts are given, what was seen of the cache has nothing to do with it.
    for model in _ways(loaded if given is None else replace(loaded, with_cache=True)):
        engine: Engine = Generate() if model.with_cache else Greedy()
        if given is not None:
            engine = GivenText(given, each_token=not model.with_cache)
        elif model.task == "masked":
            engine = FillMasks(sampling.seed)
        captured = capture(engine, model, prompts, limits, sampling, progress, given, phase)
        phase(_AGAIN)
        if isinstance(engine, GivenText):
            again = _begin_again(engine, model, prompts, captured.trace, limits.batch_size)
        else:
            again = read_again(model, prompts, captured.trace, limits)
        if again.same_model:
            return Proven(captured, model, again)
    raise MeasurementError(
        f"a text of {len(prompts[again.worst])} tokens has other exits when it is run again, so none is certain; "
        "report this model"
    )


def _ways(loaded: LoadedModel) -> list[LoadedModel]:
    alone = replace(loaded, batchable=False)
    found = [loaded, alone] if loaded.batchable else [loaded]
    # A pass for every token of a model that is streamed would read all of its weights for each.
    if loaded.with_cache and loaded.task != "masked" and not loaded.streamed:
        found.append(replace(alone, with_cache=False))
    return found


def read_again(loaded: LoadedModel, prompts: Sequence[Sequence[int]], trace: Trace, limits: Limits) -> Again:
    """Read some texts again, each alone: the shortest of every batch, the longest of all, what passes a threshold.

    What depends on the prompts beside, on padding or on the length of a batch shows at the shortest. What depends on
    the cache shows at the longest.

    Args:
        loaded: the model.
        prompts: token ids of each prompt.
        trace: of these prompts.
        limits: what it was made with.
    """
    new_tokens = 0 if loaded.task == "masked" else limits.max_new_tokens
    parts = list(batches(loaded, prompts, limits.batch_size, new_tokens))
    beside = {part[0] for part in parts if len(part) > 1}
    passing = {number for number, ids in enumerate(prompts) if passes(len(ids), new_tokens, loaded.thresholds)}
    # Without a cache no text has to do with another, and each of its tokens takes a pass of its own: one text will do.
    chosen = {parts[-1][-1], *beside, *passing} if loaded.with_cache else {parts[0][0]}
    numbers = sorted(chosen & {*trace.prompt.tolist()})
    some = [prompts[number] for number in numbers]
    engine: Engine
    if loaded.task == "masked":
        engine = Masked([trace.position[trace.prompt == number] for number in numbers])
    else:
        texts = [trace.target[trace.prompt == number].tolist() for number in numbers]
        engine = GivenText(texts, each_token=not loaded.with_cache)
    again = trace_of(engine, loaded, some, batch_size=1, new_tokens=limits.max_new_tokens)
    return _held(loaded, trace, np.isin(trace.prompt, numbers), again, numbers)


def _begin_again(
    engine: GivenText, loaded: LoadedModel, prompts: Sequence[Sequence[int]], trace: Trace, batch_size: int
) -> Again:
    """Read the beginnings of some texts again, each alone: of the shortest of every batch, of the longest of all.

    What depends on the texts beside or on padding shows at the shortest, what depends on later tokens at each.
    """
    parts = list(engine.batches(loaded, prompts, batch_size))
    numbers = sorted({parts[-1][-1], *(part[0] for part in parts if len(part) > 1)})
    beginnings = GivenText([engine.texts[number][:BEGINNING] for number in numbers], engine.each_token)
    again = trace_of(beginnings, loaded, [prompts[number] for number in numbers], batch_size=1)
    before = np.isin(trace.prompt, numbers) & (trace.position < BEGINNING)
    return _held(loaded, trace, before, again, numbers)


def _wrote_what_it_says(loaded: LoadedModel, trace: Trace) -> bool:
    """Whether no more than rounding lies between the tokens that a model wrote and those that it says when it reads."""
    other = trace.token != trace.target
    if loaded.model.dtype == torch.float32:
        return bool((trace.margin[other] <= NEAR_TIE).all())
    return bool(other.mean() <= STRAY_16_BIT)


def _held(loaded: LoadedModel, trace: Trace, before: NDArray[np.bool_], again: Trace, numbers: Sequence[int]) -> Again:
    """Hold some tokens of a trace against those of another one.

    Args:
        loaded: the model.
        trace: of the case.
        before: T, which of its tokens were read again.
        again: the same tokens once more.
        numbers: prompts that they belong to, in rising order; `again` counts them from 0.
    """
    beyond = beyond_rounding(loaded, trace.similarity_logit[before], again.similarity_logit)
    other = (trace.target[before] != again.target) | (trace.matches[before] != again.matches).any(axis=1)
    counts = np.bincount(again.prompt[beyond], minlength=len(numbers))
    return Again(
        tokens=again.num_tokens,
        differing=int(other.sum()),
        same_model=bool(beyond.mean() <= (STRAY if loaded.model.dtype == torch.float32 else STRAY_16_BIT)),
        worst=numbers[int(counts.argmax())],
    )
