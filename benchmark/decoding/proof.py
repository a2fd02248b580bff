"""No decoding without proof: at load it is held against the model's own forward pass over the text, without a cache.

That is done with short texts, and with texts around every length up to some hundred tokens at which the model may begin
to work in another way; decoding in batches is held against decoding alone. What a case gives is proven by `proven`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.decoding.buffer import capture
from benchmark.decoding.engine import Engine, Limits
from benchmark.decoding.engines.fill_masks import FillMasks
from benchmark.decoding.engines.generate import Generate
from benchmark.decoding.engines.given_text import GivenText
from benchmark.errors import MeasurementError
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.record import Trace
from benchmark.trace.sample import Sampling

NEW_TOKENS = 8
LONGEST = 256
"""The longest threshold that is passed at load; beyond it that would take longer than all the rest of loading."""
# Of cosines. A text that leaks into another, or another way of working, moves them by far more.
_ROUNDING, _ROUNDING_16_BIT = 1e-4, 0.05
STRAY, STRAY_16_BIT = 0.02, 0.25
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
    alone = trace_of(Generate(), loaded, pair, batch_size=1)
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
    alone = trace_of(FillMasks(), loaded, pair, batch_size=1)
    return _beyond(FillMasks(), replace(loaded, batchable=_together(FillMasks(), loaded, pair, alone)), text)


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
    return _same(loaded, alone, trace_of(GivenText(texts), loaded, prompts, batch_size=1))


def _together(engine: Engine, loaded: LoadedModel, texts: Sequence[Sequence[int]], alone: Trace) -> bool:
    """Whether texts give the same in one batch as alone, whatever `loaded` says about batches and thresholds."""
    try:
        free = replace(loaded, batchable=True, thresholds=())
        return _same(loaded, alone, trace_of(engine, free, texts, batch_size=len(texts)))
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
        alone = trace_of(engine, loaded, texts, batch_size=1)
        if loaded.task != "masked" and not _is_own_forward(loaded, texts, alone):
            return replace(loaded, batchable=False, with_cache=False)
        if _together(engine, loaded, texts, alone):
            loaded = replace(loaded, thresholds=tuple(other for other in loaded.thresholds if other != threshold))
        elif loaded.recurrent or not _together(engine, loaded, beyond, trace_of(engine, loaded, beyond, batch_size=1)):
            loaded = replace(loaded, batchable=False)
    return loaded


def _same(loaded: LoadedModel, one: Trace, other: Trace) -> bool:
    """Whether two traces of the same prompts agree: in float32 in every token and exit, in 16 bit within rounding."""
    if loaded.model.dtype == torch.float32:
        if one.matches.shape != other.matches.shape:
            return False
        same = np.array_equal(one.target, other.target) and np.array_equal(one.matches, other.matches)
        return same and not beyond_rounding(loaded, one.similarity_logit, other.similarity_logit).any()
    beyond = np.concatenate([beyond_rounding(loaded, *pair) for pair in _up_to_another_token(one, other)])
    return bool(beyond.mean() <= STRAY_16_BIT)


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


def beyond_rounding(loaded: LoadedModel, one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each token's similarities to the last layer differ by more than rounding."""
    limit = _ROUNDING if loaded.model.dtype == torch.float32 else _ROUNDING_16_BIT
    differing: NDArray[np.bool_] = (np.abs(one - other) > limit).any(axis=1)
    return differing


def _pair(text: list[int], loaded: LoadedModel) -> list[list[int]]:
    """Return two texts of different lengths, of equal length for a recurrent model, which never sees padding."""
    return [text, text[::-1] if loaded.recurrent else text[len(text) // 3 :]]


def trace_of(
    engine: Engine,
    loaded: LoadedModel,
    texts: Sequence[Sequence[int]],
    batch_size: int,
    new_tokens: int = NEW_TOKENS,
) -> Trace:
    """Return the trace of some texts, all of whose fields may be compared but those of the sample."""
    return capture(engine, loaded, texts, Limits(new_tokens, batch_size), Sampling(tokens=1, top_k=1)).trace
