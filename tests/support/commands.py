"""Running a command of `exitbench` inside the test."""

import argparse
import sys

from benchmark.errors import ExitBenchError
from benchmark.interface.commands import add_parsers


def run(*arguments: object) -> int:
    """The exit code; what `exitbench` prints goes where the test can see it."""
    parser = argparse.ArgumentParser(prog="exitbench")
    add_parsers(parser.add_subparsers(required=True))
    try:
        options = parser.parse_args([str(argument) for argument in arguments])
        code: int = options.run(options)
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code
    except ExitBenchError as error:
        print(f"exitbench: {error}", file=sys.stderr)
        return 1
    return code
