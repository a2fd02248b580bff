"""No decoding without proof: it is held against the model's own forward pass over the same text, without a cache.

At load that is done with short texts, and with texts around every length up to some hundred tokens at which the model
may begin to work in another way; decoding in batches is held against decoding alone. After a case, some of its own
prompts are read again; of texts that were given, their beginnings.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.decoding.batching import batches, passes
from benchmark.decoding.buffer import Capture, Progress, capture
from benchmark.decoding.engine import Engine, Limits
from benchmark.decoding.engines.fill_masks import FillMasks, Masked
from benchmark.decoding.engines.generate import Generate, Greedy
from benchmark.decoding.engines.given_text import GivenText
from benchmark.errors import MeasurementError
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.record import Trace
from benchmark.trace.sample import Sampling

NEW_TOKENS = 8
BEGINNING = 32
"""Tokens of a given text that are read again."""
LONGEST = 256
"""The longest threshold that is passed at load; beyond it that would take longer than all the rest of loading."""
# Of cosines. A text that leaks into another, or another way of working, moves them by far more.
_ROUNDING, _ROUNDING_16_BIT = 1e-4, 0.05
_STRAY, _STRAY_16_BIT = 0.02, 0.25
"""Share of tokens that may differ by more: a router that falls the other way at a tie moves a token by much. In 16 bit
there are many ties; what works in another way moves nearly all tokens."""


def prove_decoding(loaded: LoadedModel, ids: Tensor) -> LoadedModel:
    """Check what decoding writes, and whether prompts may share a batch.

    Args:
        loaded: a causal model or an encoder-decoder.
        ids: 1 × positions, a short text.

    Returns:
        The model; no longer `batchable` when a prompt's exits depend on the prompts beside it, and no longer
        `with_cache` when they are not those of the model's own forward pass.

    Raises:
        MeasurementError: what is decoded is not what `generate` writes.
    """
    text = ids[0].tolist()
    pair = _pair(text, loaded)
    alone = _trace(Generate(), loaded, pair, batch_size=1)
    _refuse_other_than_generated(loaded, ids, alone)
    if not _is_own_forward(loaded, pair, alone):
        return replace(loaded, batchable=False, with_cache=False)
    loaded = replace(loaded, batchable=_together(Generate(), loaded, pair, alone))
    return _beyond(Generate(), loaded, text)


def prove_masking(loaded: LoadedModel, ids: Tensor) -> LoadedModel:
    """Check whether texts may share a batch with an encoder; returns the model, `batchable` or no longer so."""
    if loaded.tokenizer.mask_token_id is None:
        return loaded
    text = ids[0].tolist()
    pair = _pair(text, loaded)
    alone = _trace(FillMasks(), loaded, pair, batch_size=1)
    return _beyond(FillMasks(), replace(loaded, batchable=_together(FillMasks(), loaded, pair, alone)), text)


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


def capture_proven(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    limits: Limits,
    sampling: Sampling = Sampling(),  # noqa: B008 - frozen
    progress: Progress = lambda tokens, prompts: None,
    given: Sequence[Sequence[int]] | None = None,
) -> Proven:
    """Run a model over prompts in the fastest way that holds: in batches, alone, without a cache.

    Given texts are run in batches, alone, or at worst with a pass for every token.

    Args:
        loaded: the model.
        prompts: token ids of each prompt.
        limits: how much to run.
        sampling: which tokens are looked at with all their logits.
        progress: told after every step.
        given: token ids of texts that continue the prompts, at least one each; None for what the model writes itself.

    Raises:
        MeasurementError: as `capture` does, or no way holds.
    """
    # Where texts are given, what was seen of the cache has nothing to do with it.
    for model in _ways(loaded if given is None else replace(loaded, with_cache=True)):
        engine: Engine = Generate() if model.with_cache else Greedy()
        if given is not None:
            engine = GivenText(given, each_token=not model.with_cache)
        elif model.task == "masked":
            engine = FillMasks(sampling.seed)
        captured = capture(engine, model, prompts, limits, sampling, progress, given)
        if isinstance(engine, GivenText):
            again = _begin_again(engine, model, prompts, captured.trace, limits)
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
    return [*found, replace(alone, with_cache=False)] if loaded.with_cache and loaded.task != "masked" else found


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
    again = _trace(engine, loaded, some, batch_size=1, new_tokens=limits.max_new_tokens)
    return _held(loaded, trace, np.isin(trace.prompt, numbers), again, numbers)


def _begin_again(
    engine: GivenText, loaded: LoadedModel, prompts: Sequence[Sequence[int]], trace: Trace, limits: Limits
) -> Again:
    """Read the beginnings of some given texts again, each alone: of the shortest of every batch, of the longest of all.

    What depends on the texts beside or on padding shows at the shortest, what depends on later tokens at each.
    """
    parts = list(engine.batches(loaded, prompts, limits.batch_size))
    numbers = sorted({parts[-1][-1], *(part[0] for part in parts if len(part) > 1)})
    beginnings = GivenText([engine.texts[number][:BEGINNING] for number in numbers], engine.each_token)
    again = _trace(beginnings, loaded, [prompts[number] for number in numbers], batch_size=1)
    before = np.isin(trace.prompt, numbers) & (trace.position < BEGINNING)
    return _held(loaded, trace, before, again, numbers)


def _held(loaded: LoadedModel, trace: Trace, before: NDArray[np.bool_], again: Trace, numbers: Sequence[int]) -> Again:
    """Hold some tokens of a trace against those of another one.

    Args:
        loaded: the model.
        trace: of the case.
        before: T, which of its tokens were read again.
        again: the same tokens once more.
        numbers: prompts that they belong to, in rising order; `again` counts them from 0.
    """
    beyond = _beyond_rounding(loaded, trace.similarity_logit[before], again.similarity_logit)
    other = (trace.target[before] != again.target) | (trace.matches[before] != again.matches).any(axis=1)
    counts = np.bincount(again.prompt[beyond], minlength=len(numbers))
    return Again(
        tokens=again.num_tokens,
        differing=int(other.sum()),
        same_model=bool(beyond.mean() <= (_STRAY if loaded.model.dtype == torch.float32 else _STRAY_16_BIT)),
        worst=numbers[int(counts.argmax())],
    )


def _refuse_other_than_generated(loaded: LoadedModel, ids: Tensor, alone: Trace) -> None:
    """Hold the first text of a trace against what `generate` writes when nobody watches."""
    generated = loaded.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS)[0].tolist()
    text = generated[1:] if loaded.task == "encoder-decoder" else generated[ids.shape[1] :]
    found = alone.target[alone.prompt == 0].tolist()
    # In 16 bit, logits that are equal within rounding may fall either way; there the check of every step must do.
    if found != text[: len(found)] and loaded.model.dtype == torch.float32:
        raise MeasurementError(f"the oracle writes the tokens {found}, generate {text}; report this model")


def _is_own_forward(loaded: LoadedModel, prompts: Sequence[Sequence[int]], alone: Trace) -> bool:
    """Whether what was decoded is what the model's own forward pass gives over the same texts."""
    texts = [alone.target[alone.prompt == number].tolist() for number in range(len(prompts))]
    return _same(loaded, alone, _trace(GivenText(texts), loaded, prompts, batch_size=1))


def _together(engine: Engine, loaded: LoadedModel, texts: Sequence[Sequence[int]], alone: Trace) -> bool:
    """Whether texts give the same in one batch as alone, whatever `loaded` says about batches and thresholds."""
    try:
        free = replace(loaded, batchable=True, thresholds=())
        return _same(loaded, alone, _trace(engine, free, texts, batch_size=len(texts)))
    except torch.OutOfMemoryError:
        raise
    except (MeasurementError, RuntimeError, ValueError, IndexError):
        return False


def _beyond(engine: Engine, loaded: LoadedModel, text: list[int]) -> LoadedModel:
    """Check the same around every threshold that is not too far away; one that changes nothing is let go."""
    most = min(LONGEST, (loaded.context or LONGEST) - 2 * NEW_TOKENS)
    for threshold in loaded.thresholds:
        if threshold <= NEW_TOKENS // 2 or threshold > most:
            continue
        passing, *beyond = ((text * threshold)[: threshold + more] for more in (-NEW_TOKENS // 2, 2, NEW_TOKENS // 2))
        texts = [passing, passing[::-1]] if loaded.recurrent else [passing, *beyond]
        alone = _trace(engine, loaded, texts, batch_size=1)
        if loaded.task != "masked" and not _is_own_forward(loaded, texts, alone):
            return replace(loaded, batchable=False, with_cache=False)
        if _together(engine, loaded, texts, alone):
            loaded = replace(loaded, thresholds=tuple(other for other in loaded.thresholds if other != threshold))
        elif loaded.recurrent or not _together(engine, loaded, beyond, _trace(engine, loaded, beyond, batch_size=1)):
            loaded = replace(loaded, batchable=False)
    return loaded


def _same(loaded: LoadedModel, one: Trace, other: Trace) -> bool:
    """Whether two traces of the same prompts agree: in float32 in every token and exit, in 16 bit within rounding."""
    if loaded.model.dtype == torch.float32:
        if one.matches.shape != other.matches.shape:
            return False
        same = np.array_equal(one.target, other.target) and np.array_equal(one.matches, other.matches)
        return same and not _beyond_rounding(loaded, one.similarity_logit, other.similarity_logit).any()
    beyond = np.concatenate([_beyond_rounding(loaded, *pair) for pair in _up_to_another_token(one, other)])
    return bool(beyond.mean() <= _STRAY_16_BIT)


def _up_to_another_token(one: Trace, other: Trace) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield, of each text, the similarities in both traces up to the first token that differs.

    In 16 bit, logits that are equal within rounding may fall either way, and behind that the texts are others.
    """
    for number in np.unique(one.prompt):
        rows = [np.flatnonzero(trace.prompt == number) for trace in (one, other)]
        length = min(map(len, rows))
        differing = one.target[rows[0][:length]] != other.target[rows[1][:length]]
        end = int(differing.argmax()) + 1 if differing.any() else length
        yield one.similarity_logit[rows[0][:end]], other.similarity_logit[rows[1][:end]]


def _beyond_rounding(loaded: LoadedModel, one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each token's similarities to the last layer differ by more than rounding."""
    limit = _ROUNDING if loaded.model.dtype == torch.float32 else _ROUNDING_16_BIT
    differing: NDArray[np.bool_] = (np.abs(one - other) > limit).any(axis=1)
    return differing


def _pair(text: list[int], loaded: LoadedModel) -> list[list[int]]:
    """Return two texts of different lengths, of equal length for a recurrent model, which never sees padding."""
    return [text, text[::-1] if loaded.recurrent else text[len(text) // 3 :]]


def _trace(
    engine: Engine,
    loaded: LoadedModel,
    texts: Sequence[Sequence[int]],
    batch_size: int,
    new_tokens: int = NEW_TOKENS,
) -> Trace:
    # What only the sample has is not compared.
    return capture(engine, loaded, texts, Limits(new_tokens, batch_size), Sampling(tokens=1, top_k=1)).trace
