"""Several sessions of pytest in one process."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Several sessions in one process, because importing torch takes longer than all of them.
_MANY = """
import gc, json, os, sys, tempfile
import pytest
results = {}
for name, arguments in json.loads(sys.argv[1]).items():
    with tempfile.TemporaryFile("w+") as sink:
        sys.stdout.flush()
        screen = os.dup(1), os.dup(2)
        os.dup2(sink.fileno(), 1), os.dup2(sink.fileno(), 2)
        gc.freeze()  # pytest collects garbage at the end of a session, and what was imported is much to look through
        code = int(pytest.main(["-p", "no:cacheprovider", *arguments]))
        sys.stdout.flush(), sys.stderr.flush()
        os.dup2(screen[0], 1), os.dup2(screen[1], 2)
        sink.seek(0)
        results[name] = {"code": code, "output": sink.read()}
print(json.dumps(results))
"""


@dataclass(frozen=True)
class Ended:
    """A session that has ended."""

    code: int
    output: str

    def __contains__(self, text: str) -> bool:
        return text in self.output


def many_sessions(start: Callable[..., subprocess.Popen[str]], sessions: dict[str, list[Any]]) -> dict[str, Ended]:
    """Run one session after the other in a single process; arguments by name of the session.

    A session is of all of `suites/` unless its first argument names a part of it.
    """
    sessions = {name: [str(argument) for argument in arguments] for name, arguments in sessions.items()}
    for arguments in sessions.values():
        if not arguments[0].startswith("suites/"):
            arguments.insert(0, "suites/")
    process = start("-c", _MANY, json.dumps(sessions))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return {name: Ended(**ended) for name, ended in json.loads(output.splitlines()[-1]).items()}
