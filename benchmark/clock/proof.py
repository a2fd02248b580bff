"""No deferred decoding without proof: at load, tokens leave at random and the model's own text must come of it."""

import numpy as np
import torch
from torch import Tensor

from benchmark.clock.deferred import decode_deferred
from benchmark.clock.drafts import plain_text
from benchmark.decoding.gated.rule import Given
from benchmark.decoding.prepare import PROOF_TEXT
from benchmark.errors import MeasurementError
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reader import TOLERANCE

NEW_TOKENS = 12
PROMPT_TOKENS = 9
_CAPS = (2, NEW_TOKENS)
"""How many tokens may wait: few, so that all layers run for all of them in between, and any number."""


def prove_deferred(model: LoadedModel) -> None:
    """Write the model's own text with exits at random; every token that ran its layers late must say the next one.

    Raises:
        MeasurementError: the model cannot be decoded so, or a token says another; says why.
    """
    if model.task != "causal" or not model.with_cache:
        raise MeasurementError("deferred decoding takes a causal model with a cache")
    if model.anatomy.num_layers == 1:
        raise MeasurementError("with one layer, nothing can be deferred")
    prompt = model.tokenizer(PROOF_TEXT).input_ids[:PROMPT_TOKENS]
    text = plain_text(model, prompt, NEW_TOKENS)
    layers, rng = model.anatomy.num_layers, np.random.default_rng(0)
    for cap in _CAPS:
        exits = [layers, *rng.integers(1, layers + 1, NEW_TOKENS - 2).tolist(), layers]
        late: dict[int, Tensor] = {}
        try:
            decode_deferred(
                model,
                prompt,
                len(text),
                Given([[*exits[: len(text) - 1], layers]]),
                cap,
                forced=text,
                completed=lambda number, state, late=late: late.update({number: state.clone()}),  # type: ignore[misc]
            )
            said = {number: model.readout.logits(state)[0, 0].float() for number, state in late.items()}
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError, ValueError, AttributeError, LookupError) as error:
            reason = " ".join(str(error).split())[:150]
            raise MeasurementError(f"deferred decoding: {type(error).__name__}: {reason}") from error
        for number, logits in said.items():
            if not _says(model, logits, text[number]):
                raise MeasurementError(
                    f"deferred decoding: where layers run late, token {number} is {int(logits.argmax())}, and "
                    f"{text[number]} where they run at once"
                )


def _says(model: LoadedModel, logits: Tensor, token: int) -> bool:
    """Whether a token is the likeliest; in 16 bit, whether it is as far as rounding can tell."""
    rounding = 0.0
    if model.model.dtype != torch.float32:
        rounding = 2 * TOLERANCE[model.model.dtype] * float(logits.abs().max())
    return bool(logits.max() - logits[token] <= rounding)
