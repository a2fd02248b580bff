"""Self-speculation for real, by transformers, held against what the trace predicts: rounds, text and seconds."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.generation.candidate_generator import EarlyExitCandidateGenerator

from benchmark.errors import MeasurementError
from benchmark.metrics.speculation import round_bytes, rounds
from benchmark.models import hardware
from benchmark.tools.perf.subjects import Subject, subject
from benchmark.tools.perf.timing import seconds

_DRAFT_LENGTHS = (2, 4)


def speculation(options: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of a table: exit layers at a third, two thirds and five sixths of the depth, two draft lengths.

    Raises:
        MeasurementError: transformers writes another text, or takes another number of rounds.
    """
    one = subject(options)
    layers, device = one.loaded.anatomy.num_layers, one.loaded.device
    yield f"{one.name}, {one.loaded.dtype}, {layers} layers, {len(one.prompts)} prompts × {one.max_new_tokens} tokens"
    yield f"{hardware.accelerator(device)}; one prompt at a time; assistant_early_exit of transformers"
    one.case()
    trace = one.measured.trace
    counted = rounds(trace.matches, trace.prompt, _DRAFT_LENGTHS)
    cost = None if one.loaded.costs is None else round_bytes(one.loaded.costs, _DRAFT_LENGTHS)
    plain = seconds(lambda: [_text(one, ids) for ids in one.prompts], device)
    yield f"plain generate: {plain:.2f} s"
    yield f"{'E':>3} {'γ':>2} {'predicted':>10} {'real':>6} {'seconds':>8} {'/ plain':>8} {'in bytes':>9}"
    for exit_layer in sorted({max(1, layers // 3), max(1, 2 * layers // 3), max(1, 5 * layers // 6)}):
        for number, length in enumerate(_DRAFT_LENGTHS):
            expected = counted.rounds[:, exit_layer - 1, number]
            real: list[int] = []
            taken = seconds(partial(_speculate, one, exit_layer, length, real), device)
            if real != expected.tolist():
                raise MeasurementError(
                    f"exit layer {exit_layer}, draft length {length}: transformers takes {real} rounds, and the trace "
                    f"predicts {expected.tolist()}"
                )
            in_bytes = ""
            if cost is not None:
                read = expected.sum() * cost.unshared[exit_layer - 1, number]
                in_bytes = f"{cost.token * trace.num_tokens / read:.2f}"
            yield (
                f"{exit_layer:3} {length:2} {expected.sum():10} {sum(real):6} {taken:8.2f} {plain / taken:8.2f} "
                f"{in_bytes:>9}"
            )
    yield "predicted and real rounds are equal for every prompt; speeds are against plain generate"


def _speculate(one: Subject, exit_layer: int, draft_length: int, taken: list[int]) -> None:
    """Decode every prompt; `taken` gets the rounds that transformers takes for it.

    Raises:
        MeasurementError: a text is not that of the trace.
    """
    trace = one.measured.trace
    for number, ids in enumerate(one.prompts):
        with _drafts(one.loaded.model, draft_length) as drafted:
            text = _text(one, ids, assistant_early_exit=exit_layer)
        if text != trace.target[trace.prompt == number].tolist():
            raise MeasurementError(f"exit layer {exit_layer}: transformers writes another text for prompt {number}")
        taken.append(len(drafted))


def _text(one: Subject, ids: list[int], **given: Any) -> list[int]:
    prompt = torch.tensor([ids], device=one.loaded.device)
    with torch.inference_mode():
        out = one.loaded.model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=one.max_new_tokens, **given
        )
    return one.text(out[0, len(ids) :].tolist())


@contextmanager
def _drafts(model: PreTrainedModel, length: int) -> Iterator[list[int]]:
    """Inside the block drafts are of this length; the list gets an entry for each."""
    config = model.generation_config
    settings = {
        "num_assistant_tokens": length,
        "num_assistant_tokens_schedule": "constant",
        "assistant_confidence_threshold": 0.0,
    }
    before = {name: getattr(config, name) for name in settings}
    drafted: list[int] = []
    draft = EarlyExitCandidateGenerator.get_candidates

    def counted(self: EarlyExitCandidateGenerator, ids: torch.Tensor, **given: Any) -> Any:
        candidates = draft(self, ids, **given)
        drafted.append(candidates[0].shape[1] - ids.shape[1])
        return candidates

    EarlyExitCandidateGenerator.get_candidates = counted
    try:
        for name, value in settings.items():
            setattr(config, name, value)
        yield drafted
    finally:
        EarlyExitCandidateGenerator.get_candidates = draft
        for name, value in before.items():
            setattr(config, name, value)
