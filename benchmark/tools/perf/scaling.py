"""Time and memory of a case against prompts, tokens, layers and vocabulary: one is doubled, the others stay."""

import argparse
from collections.abc import Iterator
from typing import Any

from benchmark.models import hardware
from benchmark.tools.perf.memory import peak_of
from benchmark.tools.perf.subjects import Subject, random_subject, subject
from benchmark.tools.perf.timing import seconds

_SHAPE = "Llama-2-7B"
_SMALL = {
    "hidden_size": 256,
    "intermediate_size": 688,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "num_hidden_layers": 8,
    "vocab_size": 16_000,
}


def scaling(options: argparse.Namespace) -> Iterator[str]:
    """Yields the lines of the table: the named model for prompts and tokens, a small random Llama for the rest."""
    yield f"{'':26} {'tokens':>6} {'seconds':>8} {'ms/token':>9} {'reading':>8} {'over plain generate':>20}"
    for name in ("prompts", "max_new_tokens"):
        for factor in (1, 2, 4):
            changes = {name: getattr(options, name) * factor}
            one = subject(_changed(options, **changes))
            extra = peak_of(one, "case", **changes) - peak_of(one, "plain", **changes)
            yield f"{_line(f'{name} × {factor}', one, options.rounds)} {extra / 1e6:17.0f} MB"
    for name in ("num_hidden_layers", "vocab_size"):
        for factor in (1, 2, 4):
            yield _line(f"{name} × {factor}", _small(options, {name: _SMALL[name] * factor}), options.rounds)


def _changed(options: argparse.Namespace, **changes: Any) -> argparse.Namespace:
    return argparse.Namespace(**vars(options) | changes)


def _line(title: str, one: Subject, rounds: int) -> str:
    one.case()
    taken = min(seconds(one.case, one.loaded.device) for _ in range(rounds))
    tokens, reading = one.measured.trace.num_tokens, one.measured.row.oracle_seconds
    return f"{title:26} {tokens:6} {taken:8.2f} {1000 * taken / tokens:9.2f} {reading:6.2f} s"


def _small(options: argparse.Namespace, changes: dict[str, int]) -> Subject:
    options = _changed(options, random_config=_SHAPE, dtype=options.dtype or "float32")
    return random_subject(options, hardware.choose_device(options.device), **_SMALL | changes)
