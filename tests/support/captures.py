"""Captures in one call: the engine that fits, with the limits as plain arguments."""

from collections.abc import Sequence

from benchmark.decoding.buffer import Capture, Progress, capture
from benchmark.decoding.engine import Limits
from benchmark.decoding.engines.fill_masks import FillMasks
from benchmark.decoding.engines.generate import Generate
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.sample import Sampling

SAMPLING = Sampling()


def decode(
    model: LoadedModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    batch_size: int,
    progress: Progress = lambda tokens, prompts: None,
    sampling: Sampling = SAMPLING,
) -> Capture:
    """What `generate` writes after each prompt, with every exit."""
    return capture(Generate(), model, prompts, Limits(max_new_tokens, batch_size), sampling, progress)


def fill_masks(
    model: LoadedModel,
    texts: Sequence[Sequence[int]],
    most_masks: int,
    batch_size: int,
    sampling: Sampling = SAMPLING,
) -> Capture:
    """What an encoder fills into masked texts, with every exit."""
    return capture(FillMasks(sampling.seed), model, texts, Limits(most_masks, batch_size), sampling)
