"""The table: the three ways against each other, the parts of a case, and shares of what the machine can do."""

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from benchmark.errors import MeasurementError
from benchmark.models import hardware
from benchmark.tools.perf.machine import matrix_peak, memory_bandwidth
from benchmark.tools.perf.memory import peak_of
from benchmark.tools.perf.subjects import ExitsOfPrompts, Subject, subject
from benchmark.tools.perf.timing import parts, seconds
from benchmark.trace.costs import Costs

_NAMES = {"plain": "(a) plain generate", "obvious": "(b) obvious oracle", "case": "(c) this project's case"}
_COSINE_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 3e-2}


def report(options: argparse.Namespace) -> Iterator[str]:
    """Yields the lines of the table.

    Raises:
        MeasurementError: the two oracles do not find the same exits.
    """
    one = subject(options)
    device, dtype = one.loaded.device, one.loaded.model.dtype
    yield f"{one.name}, {one.loaded.dtype}, {one.loaded.anatomy.num_layers} layers"
    yield f"{len(one.prompts)} prompts × {one.max_new_tokens} new tokens, batches of {one.batch_size}"
    yield f"{hardware.accelerator(device)}; torch {torch.__version__}, transformers {transformers.__version__}"
    one.case()  # warms up, and leaves what it found to compare
    obvious = None if options.without_obvious else _obvious(one, options.obvious_tokens)
    if obvious is not None:
        yield obvious.agreement
    times: dict[str, list[float]] = {"plain": [], "case": []}
    for _ in range(options.rounds):
        for way, taken in times.items():
            taken.append(seconds(getattr(one, way), device))
    middle = {way: statistics.median(values) for way, values in times.items()}
    peaks = {way: peak_of(one, way) for way in times}
    tokens = one.measured.trace.num_tokens
    yield ""
    yield f"{'':24} {'/ plain':>8} {'seconds':>22} {'tokens/s':>9} {'peak memory':>14}"
    for way, taken in times.items():
        spread = f"{middle[way]:.2f} ({min(taken):.2f}–{max(taken):.2f})"
        ratio = middle[way] / middle["plain"]
        memory = f"{peaks[way] / 1e6:11.0f} MB"
        yield f"{_NAMES[way]:24} {ratio:8.2f} {spread:>22} {tokens / middle[way]:9.1f} {memory:>14}"
    if obvious is not None:
        speed = obvious.tokens / obvious.seconds
        yield f"{_NAMES['obvious']:24} {obvious.ratio:8.2f} {obvious.seconds:22.2f} {speed:9.1f}"
        yield f"(b) decoded {obvious.tokens} of the tokens, and is held against plain generate of the same"
        yield f"(b) / (c) = {obvious.ratio / (middle['case'] / middle['plain']):.2f}"
    yield f"memory of (c) over (a): {(peaks['case'] - peaks['plain']) / 1e6:.0f} MB"
    yield ""
    yield from _parts(one)
    yield ""
    yield from _shares(one, middle["plain"], matrix_peak(device, dtype), memory_bandwidth(device))


@dataclass(frozen=True)
class _Obvious:
    """What the obvious oracle took, for so many tokens."""

    agreement: str
    tokens: int
    seconds: float
    ratio: float
    """To plain `generate` of the same tokens."""


def _obvious(one: Subject, most_tokens: int) -> _Obvious:
    """Run the obvious oracle, which is slow, over the first tokens of the texts, and compare what both find.

    Raises:
        MeasurementError: the exits are not the same.
    """
    short, device = one.at_most(max(1, most_tokens)), one.loaded.device
    plain = seconds(short.plain, device)
    found: list[ExitsOfPrompts] = []
    taken = seconds(lambda: found.append(short.obvious()), device)
    trace = one.measured.trace
    both = (trace.prompt < len(short.prompts)) & (trace.position < short.max_new_tokens)
    return _Obvious(_agreement(one, found[0], both), int(both.sum()), taken, taken / plain)


def _agreement(one: Subject, found: ExitsOfPrompts, both: NDArray[np.bool_]) -> str:
    """Compare the exits of the tokens that both oracles have; in float32 every one must be the same."""
    trace = one.measured.trace
    prompts, lengths = np.unique(trace.prompt[both], return_counts=True)
    counted = list(zip(prompts, lengths, strict=True))
    matches, cosines = (np.concatenate([found[n][part][:length] for n, length in counted]) for part in (0, 1))
    other = int((matches[:, :-1] != trace.matches[both, :-1]).sum())
    far = float(np.abs(cosines - trace.similarity_logit[both]).max())
    dtype = one.loaded.model.dtype
    # In 16 bit equal logits are common, and each product rounds in its own way.
    allowed = 0 if dtype == torch.float32 else 0.01 * matches.size
    if other > allowed or far > _COSINE_TOLERANCE[dtype]:
        raise MeasurementError(f"(b) and (c) differ at {other} of {matches.size} exits, and by {far:.2g} in cosines")
    return f"(b) and (c): {other} of {matches.size} exits differ; cosines by at most {far:.1g}"


def _parts(one: Subject) -> Iterator[str]:
    """(d): where the time of a case goes."""
    with parts(one.loaded.device) as spent:
        whole = seconds(one.case, one.loaded.device)
    yield f"(d) parts of (c), {whole:.2f} seconds"
    for part, taken in {"decode": whole - sum(spent.values()), **spent}.items():
        yield f"    {part:12} {taken:7.3f} s {taken / whole:6.1%}"


def _shares(one: Subject, plain: float, peak_flops: float, peak_bytes: float) -> Iterator[str]:
    """How near decoding and reading come to what the machine can do."""
    measured, costs = one.measured, one.loaded.costs
    yield f"machine: {peak_flops / 1e12:.2f} TFLOP/s in {one.loaded.dtype}, {peak_bytes / 1e9:.0f} GB/s"
    if costs is not None:
        steps = sum(one.max_new_tokens for _ in range(0, len(one.prompts), measured.row.batch_size or 1))
        yield f"plain generate reads weights at {_weights(costs) * steps / plain / peak_bytes:.0%} of the bandwidth"
    width = one.loaded.readout.head.weight.shape[1] if one.loaded.readout.head else 0
    products = 2 * measured.products * one.loaded.readout.vocab_size * width
    yield (
        f"reading: {measured.products / measured.trace.num_tokens:.1f} products with the vocabulary a token, "
        f"{products / (measured.row.oracle_seconds or 1) / peak_flops:.0%} of the matrix peak over all of reading"
    )


def _weights(costs: Costs) -> int:
    """Bytes of parameters that one decoding step reads, at batch 1."""
    return sum(layer.weight_bytes for layer in costs.layers) + costs.head_bytes + costs.embedding_bytes
