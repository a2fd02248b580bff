"""Standard output and error, whatever they are: every letter in some form, and no traceback when they close or fill."""

import io
import os
import sys
from contextlib import suppress
from typing import TextIO


def legible(*streams: TextIO | None) -> None:
    """Let streams show a letter that their encoding lacks as an escape, such as `\\xd7`, and never fail for it."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper) and not stream.closed:
            stream.reconfigure(errors="backslashreplace")


def flush_all() -> OSError | None:
    """Hand on what is held back; returns why standard output took no more, or None.

    What a stream has not taken by then goes nowhere, else Python would complain of it once more when it ends.
    """
    problem = None
    for stream in (sys.stdout, sys.stderr):
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except OSError as error:
            problem = error if stream is sys.stdout else problem
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
    return problem


def tell(text: str) -> None:
    """Print text to standard error, if somebody is there to read it."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
