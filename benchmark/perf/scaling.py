"""Time and memory of a case against prompts, tokens, layers and vocabulary: one is doubled, the others stay."""

import argparse
import subprocess
import sys
from collections.abc import Iterator

from benchmark import hardware
from benchmark.perf.subjects import Subject, random_subject, subject
from benchmark.perf.timing import seconds

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
    yield f"{'':28} {'tokens':>7} {'seconds':>8} {'ms/token':>9} {'of which reading':>17} {'peak memory':>12}"
    for factor in (1, 2, 4):
        yield _line(f"prompts × {factor}", _changed(options, prompts=options.prompts * factor))
    for factor in (1, 2, 4):
        yield _line(f"new tokens × {factor}", _changed(options, max_new_tokens=options.max_new_tokens * factor))
    for name in ("num_hidden_layers", "vocab_size"):
        for factor in (1, 2, 4):
            yield _line(f"small Llama, {name} × {factor}", options, **{name: _SMALL[name] * factor})


def _changed(options: argparse.Namespace, **changes: int) -> argparse.Namespace:
    return argparse.Namespace(**vars(options) | changes)


def _line(title: str, options: argparse.Namespace, **changes: int) -> str:
    one = _small(options, changes) if changes else subject(options)
    device = one.loaded.device
    one.case()
    taken = min(seconds(one.case, device) for _ in range(options.rounds))
    tokens = one.capture.trace.num_tokens
    memory = "" if changes else f"{_peak(options) / 1e6:9.0f} MB"
    reading = one.capture.oracle_seconds
    return f"{title:28} {tokens:7} {taken:8.2f} {1000 * taken / tokens:9.2f} {reading:15.2f} s {memory:>12}"


def _small(options: argparse.Namespace, changes: dict[str, int]) -> Subject:
    options = _changed(options)
    options.random_config, options.dtype = _SHAPE, options.dtype or "float32"
    return random_subject(options, hardware.choose_device(options.device), **_SMALL | changes)


def _peak(options: argparse.Namespace) -> int:
    named = {"prompts": "--prompts", "max_new_tokens": "--max-new-tokens", "batch_size": "--batch-size"}
    command = [sys.executable, "-m", "benchmark.perf", "--peak-of", "case"]
    for field, option in named.items():
        command += [option, str(getattr(options, field))]
    if options.random_config:
        command += ["--random-config", options.random_config]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own command line
    return int(done.stdout.split()[-1])
