"""`exitbench`: what is not a test run.

Modules are imported where they are used, after what was typed is known to be good: torch and transformers take seconds,
and neither `--help` nor a mistyped option should.
"""

import argparse
import difflib
import os
import sys
from collections.abc import Iterable, Sequence

from benchmark.errors import ExitBenchError, told
from benchmark.interface.commands import contribution, inspection, leaderboard, run
from benchmark.messages import printable

_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit code. Our own errors, and what the system refuses, become one line and 1."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    by_name = parsers()
    if arguments and arguments[0] not in (*by_name, "-h", "--help"):
        kind = "option" if arguments[0].startswith("-") else "command"
        _tell(f"there is no {kind} '{arguments[0]}'{_nearest(arguments[0], (*by_name, '--help'))}")
        return _USAGE
    options, unknown = by_name[""].parse_known_args(arguments)
    if unknown and options.command != run.COMMAND:
        _tell(_surplus(by_name[options.command], options.command, unknown))
        return _USAGE
    try:
        code: int = options.run(argparse.Namespace(**vars(options), rest=unknown))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; what Python still holds back at the end must go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ExitBenchError as error:
        _tell("\n".join([told(error), *getattr(error, "__notes__", [])]))
        return 1
    except OSError as error:
        _tell(": ".join(printable(part) for part in (error.filename, error.strerror or error) if part is not None))
        return 1
    return code


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of every command, by its name, and that of all of them under no name."""
    parser = argparse.ArgumentParser(
        prog="exitbench",
        description="How much can early exit gain on a model? `exitbench run` measures, and so does pytest: "
        "pytest suites/ --model-file models.yaml",
        allow_abbrev=False,
    )
    added = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    run.add(added)
    inspection.add(added)
    leaderboard.add(added)
    contribution.add(added)
    return {"": parser, **added.choices}


def _surplus(parser: argparse.ArgumentParser, command: str, unknown: Sequence[str]) -> str:
    """What to say of words that a command does not take."""
    option = next((word.partition("=")[0] for word in unknown if word.startswith("-")), None)
    if option is None:
        return f"{command} does not take '{unknown[0]}'; see: exitbench {command} --help"
    names = [name for action in parser._actions for name in action.option_strings]
    return f"{command} has no option '{option}'{_nearest(option, names, command)}"


def _nearest(word: str, names: Iterable[str], command: str = "") -> str:
    near = difflib.get_close_matches(word, [name for name in names if name], n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; see: {' '.join(filter(None, ('exitbench', command)))} --help"


def _tell(problem: str) -> None:
    """Print what went wrong, line by line, with nothing in it that a terminal would act on."""
    print("\n".join(printable(line) for line in f"exitbench: {problem}".split("\n")), file=sys.stderr)
