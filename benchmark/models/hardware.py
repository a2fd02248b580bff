"""The machine: which device, how much memory, what it is called."""

import contextlib
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import psutil
import torch

from benchmark.errors import InputError


def choose_device(requested: str) -> torch.device:
    """Device for `auto`, `cuda` or `cpu`; `auto` is CUDA when there, else CPU.

    Raises:
        InputError: `cuda` was asked for and torch sees none.
    """
    if requested == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda: torch sees no CUDA device here; use auto or cpu", "device")
    if requested == "auto":
        requested = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(requested)


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated on the device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def free_memory_everywhere() -> int:
    """Bytes free on all CUDA devices and in main memory together, for models spread by a device map."""
    gpus = range(torch.cuda.device_count())
    return sum(torch.cuda.mem_get_info(gpu)[0] for gpu in gpus) + psutil.virtual_memory().available


def accelerator(device: torch.device) -> str:
    """Name of the GPU, or of the processor when there is none."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()} ({torch.get_num_threads()} threads)"
    except OSError:
        pass
    return f"{platform.processor() or platform.machine()} ({torch.get_num_threads()} threads)"


def driver(device: torch.device) -> str | None:
    """CUDA and driver version, or None on a CPU."""
    if device.type != "cuda":
        return None
    # A fixed command without a shell; the full path differs between systems.
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout.split()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        lines = []
    return f"cuda {torch.version.cuda}, driver {lines[0] if lines else 'unknown'}"


def synchronize(device: torch.device) -> None:
    """Wait for the device, so that a clock read next is honest."""
    if device.type == "cuda":
        for gpu in range(torch.cuda.device_count()):
            torch.cuda.synchronize(gpu)


def now(device: torch.device) -> float:
    """Seconds on a clock, read when the device has done all it was given."""
    synchronize(device)
    return time.perf_counter()


def reset_peak_memory(device: torch.device) -> None:
    """Start a new measurement of `peak_memory`."""
    if device.type == "cuda":
        for gpu in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(gpu)
    else:
        with contextlib.suppress(OSError):
            # Linux: 5 resets the resident high-water mark of this process.
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int:
    """Peak bytes since `reset_peak_memory`: allocated on all GPUs, resident in this process on a CPU.

    Where the system cannot reset the mark, it is the peak since the process started.
    """
    if device.type == "cuda":
        return sum(torch.cuda.max_memory_allocated(gpu) for gpu in range(torch.cuda.device_count()))
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
