"""Texts with early exits that were held against others: some of a case's own are written again, alone, without a cache.

The proof at load knows short texts. What only shows in long ones, in larger batches or beside other prompts would be a
wrong number in silence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from benchmark.decoding.batching import batches
from benchmark.decoding.buffer import Progress
from benchmark.decoding.engine import Limits
from benchmark.decoding.gated.decode import decode
from benchmark.decoding.gated.on_generate import decode_gated
from benchmark.decoding.gated.rule import GatedText, Given, Rule
from benchmark.decoding.gated.without_cache import decode_without_cache
from benchmark.errors import MeasurementError
from benchmark.inputs.settings import Policy
from benchmark.models import hardware
from benchmark.readout.loaded_model import LoadedModel

BEGINNING = 4
"""Tokens of a text that are written again: each takes a pass over its whole text."""


@dataclass(frozen=True)
class Written:
    """Texts behind some prompts, and how they were written."""

    texts: list[GatedText]
    model: LoadedModel
    """No longer `batchable`, or `with_cache`, where texts written so were others."""
    seconds: float
    """That writing them took, once."""
    again_tokens: int
    """Tokens that were written again; 0 where nothing could come out of it."""
    again_differing: int
    """How many of them were the first of their text to be another, or to leave elsewhere."""


def decode_proven(
    model: LoadedModel,
    prompts: Sequence[Sequence[int]],
    limits: Limits,
    rule: Rule | Given,
    policy: Policy,
    progress: Progress = lambda tokens, prompts: None,
) -> Written:
    """Write texts in the fastest way that holds: in batches, alone, without a cache.

    Arguments are those of `benchmark.decoding.gated.decode.decode`. In float32 a way holds when all that is written
    again is the same. In 16 bit rounding decides so often, at ties and where a signal all but equals its threshold,
    that every way holds that was proven at load.

    Raises:
        MeasurementError: as `decode` does, or no way holds.
    """
    for way in _ways(model, policy):
        start = hardware.now(model.device)
        texts = decode(way, prompts, limits, rule, policy, progress)
        seconds = hardware.now(model.device) - start
        tokens, parted = _write_again(way, prompts, limits, rule, policy, texts)
        if not parted or model.model.dtype != torch.float32:
            return Written(texts, way, seconds, tokens, parted)
    raise MeasurementError(
        f"policy {policy}: a text is another when it is written again, so none is certain; report this model"
    )


def _ways(model: LoadedModel, policy: Policy) -> list[LoadedModel]:
    alone = replace(model, batchable=False)
    found = [model, alone] if model.batchable else [model]
    return [*found, replace(alone, with_cache=False)] if model.with_cache and policy != "copy" else found


def _write_again(
    model: LoadedModel,
    prompts: Sequence[Sequence[int]],
    limits: Limits,
    rule: Rule | Given,
    policy: Policy,
    texts: Sequence[GatedText],
) -> tuple[int, int]:
    """Return how many tokens were written again, and how many texts parted.

    These are the shortest text of the first batch, next to which others were longest, and the longest of all. A cache
    whose entries are copied is not to be had without a cache: there they are written alone.
    """
    parts = list(batches(model, prompts, limits.batch_size, limits.max_new_tokens))
    numbers = sorted({parts[-1][-1], *(part[0] for part in parts[:1] if len(part) > 1)})
    if not model.with_cache:
        numbers = [parts[0][0]]  # no text has to do with another
    if policy == "copy" and len(numbers) == 1 and len(parts[-1]) == 1:
        return 0, 0  # it was written alone before
    some, stops = [prompts[number] for number in numbers], [limits.stops[number] for number in numbers if limits.stops]
    short = Limits(min(BEGINNING, limits.max_new_tokens), 1, tuple(stops))
    if isinstance(rule, Given):
        rule = Given([rule.exits[number] for number in numbers])
    engine, other = (
        (decode_gated, replace(model, batchable=False)) if policy == "copy" else (decode_without_cache, model)
    )
    tokens = parted = 0
    for number, again in zip(numbers, engine(other, some, short, rule, policy), strict=True):
        tokens += len(again.tokens)
        first = texts[number]
        parted += (again.tokens, again.exits) != (
            first.tokens[: len(again.tokens)],
            first.exits[: len(again.exits)],
        )
    return tokens, parted
