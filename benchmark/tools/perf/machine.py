"""What the machine can do at most, measured there and then."""

import time
from collections.abc import Callable

import torch

from benchmark.models import hardware

_SECONDS = 1.0


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large square product in this dtype: the best of as many as fit into a second."""
    size = 8192 if device.type != "cpu" else 2048
    first, second = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / _best(device, lambda: first @ second)


def memory_bandwidth(device: torch.device) -> float:
    """Bytes/s of reading a tensor much larger than the caches: the best of as many sums as fit into a second."""
    numbers = torch.ones(2**28 if device.type != "cpu" else 2**26, device=device)
    return numbers.numel() * numbers.element_size() / _best(device, lambda: numbers.sum())


def _best(device: torch.device, run: Callable[[], object]) -> float:
    run()
    taken: list[float] = []
    until = time.perf_counter() + _SECONDS
    while time.perf_counter() < until or len(taken) < 3:
        start = hardware.now(device)
        run()
        taken.append(hardware.now(device) - start)
    return min(taken)
