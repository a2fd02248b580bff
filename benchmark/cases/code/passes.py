"""Whether a program runs to its end, in a process that can do no harm and is gone afterwards."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from benchmark.cases.code.jail import PROGRAM
from benchmark.errors import CannotRun

SECONDS = 10
"""Wall-clock time, and time of the processor, that a program may take."""
MEMORY = 1024**3
"""Bytes of address space that it may take."""
_JAIL = Path(__file__).with_name("jail.py")
_REMEDY = "run it on Linux 5.12 or newer, where anybody may make namespaces of users (user.max_user_namespaces)"


def passes(program: str, seconds: int = SECONDS, memory: int = MEMORY) -> bool:
    """Return whether a Python program runs to its end without an error, an exit or a kill.

    Args:
        program: the whole of it, tests included; it has the standard library and an empty folder.
        seconds: it may take, of the clock and of the processor.
        memory: bytes of address space that it may take.

    Raises:
        CannotRun: the system has no way to keep it from harm; it was not run.
    """
    if sys.platform != "linux":
        raise CannotRun(f"code is run in namespaces of Linux, and this is {sys.platform}", _REMEDY)
    word = secrets.token_hex(16).encode()
    with tempfile.TemporaryDirectory(prefix="exitbench-") as folder:
        Path(folder, PROGRAM).write_bytes(word + b"\n" + program.encode(errors="replace"))
        process = subprocess.Popen(  # noqa: S603 - no shell, and nothing of it is anybody's
            [sys.executable, "-I", str(_JAIL), str(memory), str(seconds)],
            cwd=folder,
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stdout is not None
        with process.stdout:
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            said = os.read(process.stdout.fileno(), 1000)
    if code != 0:
        reason = " ".join(said.decode(errors="replace").split()) or f"it ended with the code {code}"
        raise CannotRun(f"the system does not let a program be shut away ({reason})", _REMEDY)
    return said == word
