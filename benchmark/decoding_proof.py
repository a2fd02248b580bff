"""At load, the oracle's decoding is held against `generate`, and decoding in batches against decoding alone."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmark.capture import decode
from benchmark.errors import MeasurementError
from benchmark.loaded import LoadedModel
from benchmark.trace import Trace

NEW_TOKENS = 8
# Of cosines. Rounding moves them by far less, a text that leaks into another by far more.
_SAME_SIMILARITY = 0.02


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
    alone = decode(loaded, [prompt, beside], NEW_TOKENS, batch_size=1).trace
    generated = loaded.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS)[0].tolist()
    text = generated[1:] if loaded.task == "encoder-decoder" else generated[len(prompt) :]
    found = alone.targets[alone.prompt == 0].tolist()
    # In 16 bit, logits that are equal within rounding may fall either way; there the check of every step must do.
    if found != text[: len(found)] and loaded.model.dtype == torch.float32:
        raise MeasurementError(f"the oracle writes the tokens {found}, generate {text}; this model cannot be measured")
    return loaded if _agree(alone, _together(loaded, [prompt, beside])) else replace(loaded, batchable=False)


def _together(loaded: LoadedModel, prompts: list[list[int]]) -> Trace | None:
    try:
        return decode(loaded, prompts, NEW_TOKENS, batch_size=2).trace
    except (MeasurementError, RuntimeError, ValueError, IndexError):
        return None


def _agree(alone: Trace, together: Trace | None) -> bool:
    return (
        together is not None
        and np.array_equal(alone.targets, together.targets)
        and np.allclose(alone.similarity_logit, together.similarity_logit, atol=_SAME_SIMILARITY)
    )
