"""How likely a model, and each of its layers, finds given texts behind given contexts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.anatomy.unchanged import unchanged
from benchmark.decoding.batching import batches, padded
from benchmark.decoding.engines.given_text import start
from benchmark.decoding.engines.one_pass import OnePass
from benchmark.errors import MeasurementError
from benchmark.models.tasks import forward_logits
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.portions import portions_of


@dataclass(frozen=True)
class Continuation:
    """A text behind another, as token ids; both have at least one."""

    context: Sequence[int]
    text: Sequence[int]


@dataclass(frozen=True)
class Likelihood:
    """What was said of a text: by every layer, or by the model alone."""

    log_probs: NDArray[np.float64]
    """Sum of the log-probabilities of its tokens, by layer; the model's own last."""
    greedy: NDArray[np.bool_]
    """Whether each token is the likeliest, by layer; the model's own last."""


def likelihoods(
    model: LoadedModel,
    continuations: Sequence[Continuation],
    batch_size: int,
    every_layer: bool = False,
    progress: Callable[[int], object] = lambda texts: None,
) -> list[Likelihood]:
    """Return how likely each text is behind its context; what of a context is too long is cut off in front.

    Args:
        model: that writes.
        continuations: of which tokens.
        batch_size: the most that run together.
        every_layer: also by the readout of every layer, in the order of the layers.
        progress: told how many were run.

    Raises:
        MeasurementError: a text alone is longer than the context of the model, logits are not finite, or memory ran
            out.
    """
    inputs = [_input(model, continuation) for continuation in continuations]
    found: dict[int, Likelihood] = {}
    # What an encoder says of a context is of one text.
    size = 1 if model.task == "encoder-decoder" else batch_size
    try:
        for members in batches(model, inputs, size):
            run = [continuations[member] for member in members]
            of_batch = _run(model, run, [inputs[member] for member in members], every_layer)
            found.update(zip(members, of_batch, strict=True))
            progress(len(members))
    except torch.OutOfMemoryError:
        raise MeasurementError(f"memory ran out at batch size {size}; use a smaller one", "batch_size") from None
    return [found[number] for number in range(len(continuations))]


def _input(model: LoadedModel, continuation: Continuation) -> list[int]:
    """Return what the layers are given: all but the last token, as far as it fits."""
    if model.context is not None and len(continuation.text) > model.context:
        raise MeasurementError(
            f"a text of {len(continuation.text)} tokens is to be compared, and the context has {model.context}"
        )
    before = continuation.context if model.task == "causal" else start(model, continuation.context)[0]
    ids = [*before, *continuation.text[:-1]]
    return ids if model.context is None else ids[-model.context :]


def _run(
    model: LoadedModel, continuations: Sequence[Continuation], inputs: Sequence[Sequence[int]], every_layer: bool
) -> list[Likelihood]:
    ids, _ = padded(inputs, model.pad_id, model.device, on_the_left=False)
    lengths = [len(continuation.text) for continuation in continuations]
    rows = np.repeat(np.arange(len(inputs)), lengths)
    positions = np.concatenate([np.arange(len(row) - n, len(row)) for row, n in zip(inputs, lengths, strict=True)])
    encoded = None if model.task == "causal" else start(model, continuations[0].context)[1]
    last = ids.shape[1] - int(positions.min())
    seen = OnePass(model, rows, positions)
    with seen.watching(len(inputs)) if every_layer else unchanged(model.model, model.rewritten):
        logits = forward_logits(model.model, model.task, ids, encoded, last=last)
    own = logits[seen.rows, seen.positions - ids.shape[1]]
    targets = torch.tensor([token for one in continuations for token in one.text], device=model.device)
    said = [_said(model, partial(_read, model, state), targets) for state in seen.states[:-1]]
    said.append(_said(model, lambda part: own[part], targets))
    ends = np.cumsum(lengths)
    log_probs, greedy = (np.stack(arrays) for arrays in zip(*said, strict=True))
    return [
        Likelihood(log_probs[:, end - n : end].sum(axis=1), np.all(greedy[:, end - n : end], axis=1))
        for end, n in zip(ends, lengths, strict=True)
    ]


def _read(model: LoadedModel, states: Tensor, part: slice) -> Tensor:
    """Return the logits, R × V, that the model's own readout gives for the states of some positions."""
    axis = model.anatomy.batch_axis
    some = states.narrow(axis, part.start, min(part.stop, states.shape[axis]) - part.start)
    return model.readout.logits(some)[:, 0]


def _said(
    model: LoadedModel, logits_of: Callable[[slice], Tensor], targets: Tensor
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the log-probability of each target, R, and whether it is the likeliest token; in float32, by portions."""
    size = max(1, portions_of(model.device).logits_bytes // (4 * model.readout.vocab_size))
    log_probs, greedy = [], []
    for first in range(0, len(targets), size):
        part = slice(first, first + size)
        logits = logits_of(part).float()
        of_part = targets[part].to(logits.device)
        log_probs.append(logits.log_softmax(-1).gather(1, of_part[:, None])[:, 0].double().cpu().numpy())
        greedy.append((logits.argmax(-1) == of_part).cpu().numpy())
    found = np.concatenate(log_probs)
    if not np.isfinite(found).all():
        raise MeasurementError("the logits are not finite; try another dtype", "dtype")
    return found, np.concatenate(greedy)
