"""A Ray cluster on this machine: nodes that are started as on machines of their own, and killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")
PLAIN = {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}


class RayNodes:
    """A head, and nodes that are added to it, each with one CPU; all end with `stop`."""

    def __init__(self, folder: Path, token: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.environment = PLAIN | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
        self._folder, self._started = folder, list[subprocess.Popen[bytes]]()
        self.head = self.add("--head", "--port", self.address.split(":")[1], "--include-dashboard", "false")

    def add(
        self,
        *options: str,
        hidden: Path | None = None,
        environment: dict[str, str] | None = None,
        python: Path = Path(sys.executable),
    ) -> int:
        """Start a node; returns the process of its raylet. It does not see what is in the folder `hidden`."""
        options = options or ("--address", self.address)
        command = [str(python), "-m", "ray.scripts.scripts", "start", "--block", *options]
        command += ["--num-cpus", "1", "--object-store-memory", "80000000"]
        if hidden is not None:
            mount = 'mount -t tmpfs -o size=1m none "$0" && rm -f "$0"/* && exec "$@"'
            command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(hidden), *command]
        log = (self._folder / f"node{len(self._started)}.log").open("wb")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "RAY_"))}
        process = subprocess.Popen(
            command, env={**kept, **self.environment, **(environment or {})}, stdout=log, stderr=log, cwd=self._folder
        )
        self._started.append(process)

        def raylet() -> psutil.Process | None:
            assert process.poll() is None, Path(log.name).read_text()
            below = psutil.Process(process.pid).children(recursive=True)
            return next((one for one in below if one.name() == "raylet"), None)

        pid = until(raylet).pid
        until(lambda: "--block" in Path(log.name).read_text())
        return pid

    def stop(self) -> None:
        """End all nodes that are left, and what they have started."""
        for process in self._started:
            if process.poll() is None:
                below = psutil.Process(process.pid).children(recursive=True)
                for one in (*below, process):
                    with suppress(ProcessLookupError):
                        os.kill(one.pid, signal.SIGKILL)
            process.wait()


def until(found: Callable[[], T | None], seconds: float = 120) -> T:
    """What a function gives once it gives something."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return value


def is_gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
