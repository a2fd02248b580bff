"""Self-speculation for real, by transformers, held against what the trace predicts: rounds, text and seconds."""

import argparse
from collections.abc import Iterator
from functools import partial

from benchmark.clock.drafts import drafted_text, plain_text
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
    plain = seconds(lambda: [plain_text(one.loaded, ids, one.max_new_tokens) for ids in one.prompts], device)
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
        text, rounds_taken = drafted_text(one.loaded, ids, one.max_new_tokens, exit_layer, draft_length)
        if text != trace.target[trace.prompt == number].tolist():
            raise MeasurementError(f"exit layer {exit_layer}: transformers writes another text for prompt {number}")
        taken.append(rounds_taken)
