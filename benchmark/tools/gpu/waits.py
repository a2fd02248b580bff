"""Where decoding waits: operations, launches and synchronisations of steps, plain and watched, and of a reading."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from transformers import LogitsProcessor, LogitsProcessorList

from benchmark.decoding.buffer import ReadingBuffer
from benchmark.decoding.engine import Limits
from benchmark.decoding.engines.generate import Generate
from benchmark.models import hardware
from benchmark.tools.gpu.journal import Figures
from benchmark.tools.gpu.speed import Subject
from benchmark.trace.sample import SAMPLE, Sampling

_STEPS = 8
_BEFORE = 4
"""Steps of decoding before those that are looked at; the first reads the prompts."""
_COUNTED = (
    "cudaStreamSynchronize",
    "cudaDeviceSynchronize",
    "cudaEventSynchronize",
    "cudaMemcpyAsync",
    "cudaLaunchKernel",
    "cudaLaunchKernelExC",
    "cuLaunchKernel",
    "cuLaunchKernelEx",
    "Memcpy DtoH (Device -> Pageable)",
    "Memcpy DtoH (Device -> Pinned)",
    "Memcpy HtoD (Pageable -> Device)",
    "aten::item",
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::copy_",
    "aten::clone",
    "aten::index_select",
)
_LISTED = 10


def waits(subject: Subject, count: int, figures: Figures) -> None:
    """Fill in counts a step and the ten longest operations: of plain decoding, of watched decoding, of one reading."""
    device = subject.loaded.device
    window = _Window(device)
    subject.plain(count, _BEFORE + _STEPS + 1, logits_processor=LogitsProcessorList([_Counting(window.step)]))
    figures["plain"] = window.figures(_STEPS)
    window = _Window(device)
    limits = Limits(_BEFORE + _STEPS + 1, count)
    # As many of these tokens as a whole text would have among them.
    sampling = Sampling(tokens=max(1, SAMPLE * limits.max_new_tokens // subject.new_tokens))
    buffer = ReadingBuffer(subject.loaded, sampling, lambda tokens, prompts: window.step())
    Generate().decode(subject.loaded, subject.prompts(count), limits, buffer)
    figures["watched"] = window.figures(_STEPS)
    window = _Window(device)
    window.start()
    buffer.read()
    window.stop()
    figures["reading"] = {"tokens": count * limits.max_new_tokens, **window.figures(1)}


class _Counting(LogitsProcessor):
    """Calls a function once a step, and changes nothing."""

    def __init__(self, step: Callable[[], None]) -> None:
        self._step = step

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Count."""
        self._step()
        return scores


class _Window:
    """A profile of a few steps out of many."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
        self._profile: Any = profile(activities=activities)
        self._seen = 0
        self._seconds = 0.0

    def step(self) -> None:
        """Count a step; begin behind the last that is not looked at, end behind the last that is."""
        self._seen += 1
        if self._seen == _BEFORE:
            self.start()
        elif self._seen == _BEFORE + _STEPS:
            self.stop()

    def start(self) -> None:
        """Look from now on."""
        hardware.synchronize(self._device)
        self._profile.start()
        self._seconds = time.perf_counter()

    def stop(self) -> None:
        """Look no longer."""
        hardware.synchronize(self._device)
        self._seconds = time.perf_counter() - self._seconds
        self._profile.stop()

    def figures(self, steps: int) -> Figures:
        """Return what was seen, counts and times a step."""
        events = list(self._profile.key_averages())
        counts = {event.key: event.count for event in events}
        # The time of a kernel is told twice: as its own, and as that of the operation that launched it.
        kernels = [event for event in events if str(event.device_type).endswith("CUDA")]
        return {
            "ms_per_step": 1000 * self._seconds / steps,
            "device_ms_per_step": sum(map(_on_device, kernels)) / 1000 / steps,
            "per_step": {key: counts[key] / steps for key in _COUNTED if key in counts},
            "longest_on_device": _longest(kernels, _on_device, steps),
            "longest_on_cpu": _longest(events, lambda event: event.self_cpu_time_total, steps),
        }


def _on_device(event: Any) -> float:
    """Return microseconds of an event's own on the device."""
    return float(getattr(event, "self_device_time_total", 0) or 0)


def _longest(events: list[Any], of: Callable[[Any], float], steps: int) -> list[str]:
    """Return the longest, one text each: name, milliseconds and calls a step."""
    longest = sorted(events, key=of, reverse=True)[:_LISTED]
    return [f"{str(one.key)[:60]} {of(one) / 1000 / steps:.3f} ms ×{one.count / steps:.3g}" for one in longest]
