"""Self-speculation on the clock: transformers' own, where the trace predicts the most, and at two other settings."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from benchmark.clock.drafts import drafted_text, plain_text
from benchmark.clock.stopwatch import Way, in_turns, seconds
from benchmark.clock.timed_batch import KnownText
from benchmark.errors import MeasurementError
from benchmark.metrics.speculation import DRAFT_LENGTHS, round_bytes, rounds
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.costs import Costs
from benchmark.trace.record import Trace
from benchmark.trace.timed import Drafted

MOST_TEXTS = 2
"""Texts that are written so: whole texts, in four ways, take long."""


def drafted(model: LoadedModel, trace: Trace, texts: Sequence[KnownText], times: int) -> tuple[Drafted, ...]:
    """Return what self-speculation takes, the best prediction first.

    Args:
        model: a causal model.
        trace: of its texts.
        texts: of these the first are written.
        times: how often each setting is timed, in turns with plain `generate`.

    Raises:
        MeasurementError: it has no effect on this model, takes other rounds than the trace predicts, or writes
            another text.
    """
    if model.task != "causal" or model.anatomy.num_layers < 2 or model.costs is None:
        raise MeasurementError("self-speculation takes a causal model of two layers or more, with costs that are known")
    some = [text for text in texts if not text.stop][:MOST_TEXTS]
    if not some:
        raise MeasurementError("self-speculation of transformers knows no stop strings, and all texts have some")
    counted = rounds(trace.matches, trace.prompt, DRAFT_LENGTHS)
    settings = _settings(model.costs, counted.rounds.sum(axis=0), model.anatomy.num_layers)
    expected = {setting: _predicted(some, setting) for setting in settings}
    ways: dict[str, Way] = {"plain": lambda: _plain(model, some)}
    ways |= {f"{layer}, {length}": partial(_timed, model, some, layer, length, expected) for layer, length in settings}
    try:
        taken = in_turns(ways, times, warm_up=False)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:
        reason = " ".join(str(error).split())[:150]
        raise MeasurementError(f"self-speculation of transformers: {reason}") from error
    tokens = sum(len(text.tokens) for text in some)
    return tuple(
        Drafted(
            *(layer, length, tokens, sum(expected[layer, length])),
            tuple(taken[f"{layer}, {length}"]),
            tuple(taken["plain"]),
        )
        for layer, length in settings
    )


def _settings(costs: Costs, taken: np.ndarray, layers: int) -> list[tuple[int, int]]:
    """Return three exit layers with draft lengths: the best by bytes, the same with another length, another layer.

    Raises:
        MeasurementError: it is not known what a round reads.
    """
    cost = round_bytes(costs, DRAFT_LENGTHS)
    if cost is None:
        raise MeasurementError("it is not known what a round of self-speculation reads")
    read = (taken * cost.unshared)[:-1]
    layer, place = (int(axis) for axis in np.unravel_index(int(read.argmin()), read.shape))
    best, length = layer + 1, DRAFT_LENGTHS[place]
    other_length = DRAFT_LENGTHS[place + 2] if place + 2 < len(DRAFT_LENGTHS) else DRAFT_LENGTHS[place - 2]
    other_layer = max(1, best // 2) if best > layers // 2 else min(layers - 1, best + layers // 3)
    return list(dict.fromkeys([(best, length), (best, other_length), (other_layer, length)]))


def _predicted(texts: Sequence[KnownText], setting: tuple[int, int]) -> list[int]:
    """Return the rounds that each text takes by its matches."""
    layer, length = setting
    found = []
    for text in texts:
        matches = text.matches[:, layer - 1 : layer]
        counted = rounds(matches, np.zeros(len(matches), np.int64), (length,))
        found.append(int(counted.rounds[0, 0, 0]))
    return found


def _plain(model: LoadedModel, texts: Sequence[KnownText]) -> float:
    taken, _ = seconds(lambda: [plain_text(model, text.prompt, len(text.tokens)) for text in texts], model.device)
    return taken


def _timed(
    model: LoadedModel,
    texts: Sequence[KnownText],
    layer: int,
    length: int,
    expected: dict[tuple[int, int], list[int]],
) -> float:
    """Return how long self-speculation takes for some texts.

    Raises:
        MeasurementError: it is not what was predicted.
    """
    taken, written = seconds(
        lambda: [drafted_text(model, text.prompt, len(text.tokens), layer, length) for text in texts], model.device
    )
    for text, (tokens, took), most in zip(texts, written, expected[layer, length], strict=True):
        if tokens != list(text.tokens):
            raise MeasurementError(f"exit layer {layer}: self-speculation writes another text for prompt {text.number}")
        if took != most:
            raise MeasurementError(
                f"exit layer {layer}, draft length {length}: transformers takes {took} rounds for prompt "
                f"{text.number}, and the trace predicts {most}"
            )
    return taken
