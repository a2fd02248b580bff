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
from benchmark.messages import printable

_CPU = torch.device("cpu")


def choose_device(requested: str) -> torch.device:
    """Return the device for `auto`, `cpu`, or the type of an accelerator as torch names it, such as `cuda` or `xpu`.

    `auto` is the accelerator that torch sees, where it computes in double precision; else the CPU.

    Raises:
        InputError: torch does not see the accelerator that was asked for, or it has no double precision.
    """
    there = torch.accelerator.current_accelerator(check_available=True)
    if requested == "cpu" or (requested == "auto" and (there is None or not _has_double_precision(there))):
        return _CPU
    if there is None or requested not in ("auto", there.type):
        seen = "no accelerator" if there is None else f"only {there.type}"
        raise InputError(f"device {printable(requested)}: torch sees {seen} here; use auto or cpu", "device")
    if not _has_double_precision(there):
        raise InputError(f"device {there.type}: exits are exact in double precision, which it lacks; use cpu", "device")
    return there


def _has_double_precision(device: torch.device) -> bool:
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):
        return False
    return True


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated on the device."""
    return psutil.virtual_memory().available if device.type == "cpu" else torch.accelerator.get_memory_info(device)[0]


def free_memory_everywhere() -> int:
    """Bytes free on all accelerators and in main memory together, for models spread by a device map."""
    return psutil.virtual_memory().available + sum(torch.accelerator.get_memory_info(one)[0] for one in _accelerators())


def _accelerators() -> range:
    return range(torch.accelerator.device_count())


def accelerator(device: torch.device) -> str:
    """Name of the accelerator, or of the processor when there is none."""
    if device.type != "cpu":
        return str(torch.get_device_module(device).get_device_name(device))
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()} ({torch.get_num_threads()} threads)"
    except OSError:
        pass
    return f"{platform.processor() or platform.machine()} ({torch.get_num_threads()} threads)"


def driver(device: torch.device) -> str | None:
    """CUDA and driver version; None elsewhere."""
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
    if device.type != "cpu":
        for one in _accelerators():
            torch.accelerator.synchronize(one)


def now(device: torch.device) -> float:
    """Seconds on a clock, read when the device has done all it was given."""
    synchronize(device)
    return time.perf_counter()


def reset_peak_memory(device: torch.device) -> None:
    """Start a new measurement of `peak_memory`."""
    if device.type != "cpu":
        for one in _accelerators():
            torch.accelerator.reset_peak_memory_stats(one)
    else:
        with contextlib.suppress(OSError):
            # Linux: 5 resets the resident high-water mark of this process.
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int:
    """Peak bytes since `reset_peak_memory`: allocated on all accelerators, resident in this process on a CPU.

    Where the system cannot reset the mark, it is the peak since the process started.
    """
    if device.type != "cpu":
        return sum(torch.accelerator.max_memory_allocated(one) for one in _accelerators())
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
