"""At load, the oracle's decoding is held against `generate`, and decoding in batches against decoding alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmark.decoding.buffer import capture
from benchmark.decoding.engine import Engine, Limits
from benchmark.decoding.fill_masks import FillMasks
from benchmark.decoding.generate import Generate
from benchmark.errors import MeasurementError
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.record import Trace

NEW_TOKENS = 8
# Of cosines. A text that leaks into another moves them by far more.
_ROUNDING, _ROUNDING_16_BIT = 1e-4, 0.02


def prove_decoding(loaded: LoadedModel, ids: Tensor) -> LoadedModel:
    """Check what decoding writes, and whether prompts may share a batch.

    Args:
        loaded: a causal model or an encoder-decoder.
        ids: 1 × positions, a short text.

    Returns:
        The model; no longer `batchable` when a prompt's exits depend on the prompts beside it.

    Raises:
        MeasurementError: the oracle writes another text than `generate`.
    """
    prompt = ids[0].tolist()
    # Recurrent models only ever see prompts of equal length together; others are padded.
    beside = prompt[::-1] if loaded.recurrent else prompt[len(prompt) // 3 :]
    alone = _trace(Generate(), loaded, [prompt, beside], batch_size=1)
    generated = loaded.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS)[0].tolist()
    text = generated[1:] if loaded.task == "encoder-decoder" else generated[len(prompt) :]
    found = alone.target[alone.prompt == 0].tolist()
    # In 16 bit, logits that are equal within rounding may fall either way; there the check of every step must do.
    if found != text[: len(found)] and loaded.model.dtype == torch.float32:
        raise MeasurementError(f"the oracle writes the tokens {found}, generate {text}; report this model")
    return _batchable(loaded, alone, lambda: _trace(Generate(), loaded, [prompt, beside], batch_size=2))


def prove_masking(loaded: LoadedModel, ids: Tensor) -> LoadedModel:
    """Check whether texts may share a batch with an encoder; returns the model, `batchable` or no longer so."""
    if loaded.tokenizer.mask_token_id is None:
        return loaded
    text = ids[0].tolist()
    texts = [text, text[: 2 * len(text) // 3]]
    alone = _trace(FillMasks(), loaded, texts, batch_size=1)
    return _batchable(loaded, alone, lambda: _trace(FillMasks(), loaded, texts, batch_size=2))


def _trace(engine: Engine, loaded: LoadedModel, texts: Sequence[Sequence[int]], batch_size: int) -> Trace:
    return capture(engine, loaded, texts, Limits(NEW_TOKENS, batch_size)).trace


def _batchable(loaded: LoadedModel, alone: Trace, together: Callable[[], Trace]) -> LoadedModel:
    try:
        trace = together()
    except torch.OutOfMemoryError:
        raise
    except (MeasurementError, RuntimeError, ValueError, IndexError):
        return replace(loaded, batchable=False)
    exact = loaded.model.dtype == torch.float32
    same = alone.matches.shape == trace.matches.shape and np.allclose(
        alone.similarity_logit, trace.similarity_logit, atol=_ROUNDING if exact else _ROUNDING_16_BIT
    )
    if exact:
        same = same and np.array_equal(alone.target, trace.target) and np.array_equal(alone.matches, trace.matches)
    return replace(loaded, batchable=same)
