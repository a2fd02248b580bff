"""A Ray cluster: one that is there, or one that is started on this machine and ends with the driver."""

import logging
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmark.errors import CannotRun, InputError
from benchmark.messages import printable

_PATIENCE = 20
"""Seconds in which a cluster must answer."""
_OBJECT_STORE = 200_000_000
"""Bytes that a cluster of ours keeps for what nodes send; its rows are written where they are made."""
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_TOKEN_NAMES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def require() -> None:
    """Make sure that Ray is there.

    Raises:
        CannotRun: it is not installed; says how to install it.
    """
    if find_spec("ray") is None:
        raise CannotRun("Ray is not installed", "pip install 'exitbench[ray]'")


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Be the driver of a cluster inside the block, where nothing that is printed is seen: Ray tells at length of every
    node that dies.

    Args:
        address: HOST:PORT of one that is there; None to start one on this machine, for this driver alone.

    Raises:
        CannotRun: Ray is not installed.
        InputError: no cluster answers at the address, or it refuses the token.
    """
    require()
    if address is None:
        os.environ.update(_QUIET | _alone())
    else:
        host, port = _parted(address)
        os.environ.update(_QUIET)
        if any(os.environ.get(name) for name in _TOKEN_NAMES):
            os.environ.setdefault("RAY_AUTH_MODE", "token")
        _refuse_dead(address, host, port)
    import ray

    options: dict[str, Any] = {"address": address or "local"}
    if address is None:
        options |= {"include_dashboard": False, "object_store_memory": _OBJECT_STORE}
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        try:
            with chdir("/"):  # Ray lets nodes import from the driver's current folder, whatever lies there
                ray.init(**options, log_to_driver=False, logging_level=logging.CRITICAL)
        except Exception as error:  # whatever its layers raise: RuntimeError, ConnectionError, ValueError, its own
            reason = printable(" ".join(str(error).split())[:300])
            where = f"--address {printable(address)}: cannot be joined" if address else "Ray cannot be started here"
            raise InputError(f"{where}: {reason}") from None
        try:
            yield
        finally:
            with suppress(KeyboardInterrupt):
                ray.shutdown()


def _alone() -> dict[str, str]:
    """Settings of a cluster that nobody else can use: a token that only its processes know, and no way in.

    Ray binds its servers to all interfaces, unless the node's address is the loopback; on Linux it takes that only when
    it is told to be no part of a larger cluster, by a setting that is named for where it is the default.
    """
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }


def _parted(address: str) -> tuple[str, int]:
    """Return host and port of an address.

    Raises:
        InputError: it is none.
    """
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(
            f"--address {printable(address)}: must be HOST:PORT, such as 10.0.0.1:6379, as ray start printed it"
        )
    return host.strip("[]"), int(port)


def _refuse_dead(address: str, host: str, port: int) -> None:
    """Make sure that a cluster answers, and takes the token; Ray itself would try for minutes, line by line.

    Raises:
        InputError: it does not.
    """
    where = f"--address {printable(address)}"
    start = "start one with: ray start --head, and give the address it prints"
    try:
        socket.create_connection((host, port), timeout=_PATIENCE).close()
    except OSError as error:
        raise InputError(f"{where}: no cluster answers there ({error.strerror or error}); {start}") from None
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        # Our own interpreter, no shell.
        asked = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, cwd=Path.home())  # noqa: S603
    except subprocess.TimeoutExpired:
        raise InputError(f"{where}: what answers there is no Ray cluster; {start}") from None
    if asked.returncode == 0:
        return
    last = printable(next((line for line in reversed(asked.stderr.splitlines()) if line.strip()), "no reason told"))
    if "AuthenticationError" in asked.stderr:
        remedy = "give the one it was started with, in RAY_AUTH_TOKEN or in the file that RAY_AUTH_TOKEN_PATH names"
        raise InputError(f"{where}: the cluster refuses the token; {remedy}")
    raise InputError(f"{where}: no cluster of this version of Ray answers there ({last[:200]}); {start}")
