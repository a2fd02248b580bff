"""Speed at published shapes with random weights: plain `generate`, and the same with every exit read out."""

import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.decoding import buffer as waiting
from benchmark.decoding import prepare as preparing
from benchmark.decoding.batching import padded
from benchmark.decoding.buffer import Capture, capture
from benchmark.decoding.engine import Limits, Step
from benchmark.decoding.engines.generate import Generate
from benchmark.decoding.prepare import prepare
from benchmark.decoding.two_phase import capture_in_two_phases
from benchmark.models import hardware
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.gpu.journal import Figures
from benchmark.tools.gpu.sizes import Sizes
from benchmark.tools.perf.shapes import random_model
from benchmark.tools.perf.timing import seconds
from benchmark.tools.tiny_models import tiny_tokenizer
from benchmark.trace.sample import Sampling, SignalsOf

_WARM_TOKENS = 4
_OF_PROOF = ("rewritten_tensors", "dissect", "read_costs", "find_halves", "prove_decoding")


@dataclass
class Subject:
    """A model of a published shape that never ends a text, and how long it took to make it."""

    loaded: LoadedModel
    sizes: Sizes
    new_tokens: int
    made_seconds: float
    proof_seconds: float
    proof_parts: dict[str, float]
    """Seconds of what is done at load, by the name of the function."""
    proof_peak_bytes: int

    @classmethod
    def of(cls, shape: str, device: torch.device, sizes: Sizes) -> "Subject":
        """Make the weights on the device, in bfloat16, and prove the model."""
        start = hardware.now(device)
        model = random_model(sizes.config(shape), device, torch.bfloat16)
        made = hardware.now(device)
        tokenizer = tiny_tokenizer()
        tokenizer.eos_token = None
        hardware.reset_peak_memory(device)
        taken: dict[str, list[float]] = {name: [] for name in _OF_PROOF}
        with ExitStack() as stack:
            for name, into in taken.items():
                stack.enter_context(_timed(preparing, name, into, device))
            loaded = prepare(model, tokenizer, "causal")
        proof, parts = hardware.now(device) - made, {name: sum(times) for name, times in taken.items()}
        tokens = sizes.speed_tokens[shape]
        return cls(loaded, sizes, tokens, made - start, proof, parts, hardware.peak_memory(device))

    def prompts(self, count: int) -> list[list[int]]:
        """Return random token ids, the same every time."""
        rng = np.random.default_rng(count)
        low, high = self.sizes.prompt_tokens
        vocabulary = self.loaded.readout.vocab_size
        return [rng.integers(4, vocabulary, rng.integers(low, high + 1)).tolist() for _ in range(count)]

    def plain(self, count: int, new_tokens: int, **given: Any) -> Tensor:
        """Decode so many prompts in one batch by plain `generate`; returns what is new, prompts × tokens."""
        model = self.loaded
        ids, mask = padded(self.prompts(count), model.pad_id, model.device, on_the_left=True)
        # What is compiled may not work on tensors of inference mode.
        with torch.inference_mode(not given.get("cache_implementation")):
            out = model.model.generate(ids, attention_mask=mask, max_new_tokens=new_tokens, **given)
        new: Tensor = out[:, ids.shape[1] :]
        return new

    def captured(self, count: int, new_tokens: int, signals: SignalsOf = "sample") -> Capture:
        """Decode the same, and read out every exit."""
        limits = Limits(new_tokens, count)
        return capture(Generate(), self.loaded, self.prompts(count), limits, Sampling(signals=signals))

    def in_two_phases(self, count: int, new_tokens: int) -> Capture:
        """Decode the same undisturbed, and read out every exit of what was written."""
        limits = Limits(new_tokens, count)
        return capture_in_two_phases(self.loaded, self.prompts(count), limits, Sampling(), _silent).capture


def _silent(tokens: int, prompts: int) -> None:
    """Tell nobody what is done."""


class _Nothing:
    """A sink that keeps nothing: what watching costs, without waiting and reading."""

    def begin(self, prompts: int, tokens: int) -> None:
        """Prepare nothing."""

    def take(self, step: Step) -> None:
        """Keep nothing."""

    def progress(self, tokens: int, prompts: int) -> None:
        """Count nothing."""


def made(subject: Subject, figures: Figures) -> None:
    """Fill in what it took to make and to prove a model."""
    loaded = subject.loaded
    figures["made_seconds"] = subject.made_seconds
    figures["proof_seconds"] = subject.proof_seconds
    figures["proof_parts"] = subject.proof_parts
    figures["proof_peak_bytes"] = subject.proof_peak_bytes
    figures["parameters"] = loaded.num_parameters
    figures["layers"] = loaded.anatomy.num_layers
    figures["halves"] = sum(half is not None for half in loaded.halves)
    figures["costs"] = loaded.costs is not None
    figures["batchable"] = loaded.batchable
    figures["with_cache"] = loaded.with_cache
    figures["linear_head"] = loaded.readout.head is not None


def speed(subject: Subject, count: int, figures: Figures) -> None:
    """Fill in the times of a batch: plain, only watched, and captured, in alternation; medians."""
    device, new_tokens = subject.loaded.device, subject.new_tokens
    figures["new_tokens"] = new_tokens
    figures["first_plain_seconds"] = seconds(lambda: subject.plain(count, _WARM_TOKENS), device)
    # Of a model's first reading: the Gram matrix of the head, and its norms.
    figures["first_capture_seconds"] = seconds(lambda: subject.captured(count, _WARM_TOKENS), device)
    plain: list[float] = []
    whole: list[float] = []
    captures: list[Capture] = []
    words: list[float] = []
    texts: list[Tensor] = []
    peaks = {}
    for _ in range(subject.sizes.rounds):
        hardware.reset_peak_memory(device)
        plain.append(seconds(lambda: texts.append(subject.plain(count, new_tokens)), device))
        peaks["plain"] = hardware.peak_memory(device)
        figures |= _of_plain(plain, count, new_tokens)
        hardware.reset_peak_memory(device)
        with _timed(waiting, "assemble", words, device):
            whole.append(seconds(lambda: captures.append(subject.captured(count, new_tokens)), device))
        peaks["capture"] = hardware.peak_memory(device)
        figures |= _of_captures(plain, whole, captures)
    figures["words_seconds"] = statistics.median(words)
    figures["peak_bytes"] = peaks
    plainly = texts[-1].cpu().numpy().flatten()
    figures["tokens_other_than_plain"] = int((captures[-1].trace.target != plainly).sum())
    limits = Limits(new_tokens, count)
    watched = seconds(lambda: Generate().decode(subject.loaded, subject.prompts(count), limits, _Nothing()), device)
    figures["only_watched_seconds"] = watched
    figures["only_watched_ratio"] = watched / statistics.median(plain)


def _of_plain(times: list[float], count: int, new_tokens: int) -> Figures:
    middle = statistics.median(times)
    return {
        "plain_seconds": middle,
        "plain_range": [min(times), max(times)],
        "plain_ms_per_step": 1000 * middle / new_tokens,
        "plain_tokens_per_second": count * new_tokens / middle,
    }


def _of_captures(plain: list[float], whole: list[float], captures: list[Capture]) -> Figures:
    middle, last = statistics.median(whole), captures[-1]
    return {
        "capture_seconds": middle,
        "capture_range": [min(whole), max(whole)],
        "capture_ratio": middle / statistics.median(plain),
        "generate_seconds": statistics.median(one.generate_seconds for one in captures),
        "oracle_seconds": statistics.median(one.oracle_seconds for one in captures),
        "products_per_token": last.products / last.trace.num_tokens,
    }


def all_signals(subject: Subject, count: int, figures: Figures) -> None:
    """Fill in the times of a capture that keeps the signals of every token."""
    captured = subject.captured(count, subject.new_tokens, "all")
    figures["generate_seconds"] = captured.generate_seconds
    figures["oracle_seconds"] = captured.oracle_seconds


def static_cache(subject: Subject, count: int, figures: Figures) -> None:
    """Fill in the times of plain `generate` with a static cache, which is compiled on CUDA, and of two phases."""
    device, new_tokens = subject.loaded.device, subject.new_tokens
    given = {"cache_implementation": "static"}
    plain = [seconds(lambda: subject.plain(count, new_tokens), device)]
    figures["plain_ms_per_step"] = 1000 * plain[0] / new_tokens
    # The cache is as long as the text, and another length compiles anew.
    figures["first_seconds"] = seconds(lambda: subject.plain(count, new_tokens, **given), device)
    times = [seconds(lambda: subject.plain(count, new_tokens, **given), device) for _ in range(subject.sizes.rounds)]
    figures["seconds"] = statistics.median(times)
    figures["ms_per_step"] = 1000 * statistics.median(times) / new_tokens
    same = subject.plain(count, new_tokens) == subject.plain(count, new_tokens, **given)
    figures["tokens_other_than_plain"] = int((~same).sum())
    figures["first_two_phases_seconds"] = seconds(lambda: subject.in_two_phases(count, new_tokens), device)
    captures: list[Capture] = []
    times = [
        seconds(lambda: captures.append(subject.in_two_phases(count, new_tokens)), device)
        for _ in range(subject.sizes.rounds)
    ]
    figures["two_phases_seconds"] = statistics.median(times)
    figures["generate_seconds"] = statistics.median(one.generate_seconds for one in captures)
    figures["oracle_seconds"] = statistics.median(one.oracle_seconds for one in captures)
    trace = captures[-1].trace
    figures["not_argmax_share"] = float((trace.token != trace.target).mean())


@contextmanager
def _timed(owner: Any, name: str, into: list[float], device: torch.device) -> Iterator[None]:
    """Inside the block, the seconds of each call of a function are kept."""
    original = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        start = hardware.now(device)
        try:
            return original(*args, **kwargs)
        finally:
            into.append(hardware.now(device) - start)

    with _set(owner, name, timed):
        yield


@contextmanager
def _set(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Inside the block an attribute has another value."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
