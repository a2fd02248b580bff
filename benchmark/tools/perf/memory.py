"""Peaks of memory: on a CPU each of a process of its own, where memory once used is not given back."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benchmark.models import hardware
from benchmark.tools.perf.subjects import Subject, subject

# glibc returns every larger block when it is freed. Left to itself it keeps what suits it, and the peak of the same
# work differs by more than a hundred megabytes from run to run.
_GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def peak_of(one: Subject, way: str, **changes: Any) -> int:
    """Peak memory of decoding in one way, in bytes.

    Args:
        one: what is decoded, already with the changes.
        way: one of `subjects.WAYS`.
        changes: options of this program's command line whose values are others now.
    """
    if one.loaded.device.type != "cpu":
        hardware.reset_peak_memory(one.loaded.device)
        getattr(one, way)()
        return hardware.peak_memory(one.loaded.device)
    command = [sys.executable, "-m", "benchmark.tools.perf", *sys.argv[1:], "--peak-of", way]
    for name, value in changes.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    environment = os.environ | _GIVE_BACK
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    return int(done.stdout.split()[-1])


def only_peak(options: Any) -> Iterator[str]:
    """Decode once, in the way that `--peak-of` names; yields the peak of memory, in bytes."""
    one = subject(options)
    hardware.reset_peak_memory(one.loaded.device)
    getattr(one, options.peak_of)()
    yield str(hardware.peak_memory(one.loaded.device))
