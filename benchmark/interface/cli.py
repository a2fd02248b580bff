"""`exitbench`: what is not a test run.

Modules are imported where they are used, after what was typed is known to be good: torch and transformers take seconds,
and neither `--help` nor a mistyped option should.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence

from benchmark.errors import ExitBenchError, told
from benchmark.interface.commands import contribution, grid, inspection, leaderboard, run, sweep
from benchmark.interface.commands.lm_eval import choices, harness
from benchmark.interface.commands.planning import fetch, plan
from benchmark.interface.commands.rows import compare, ladder, show
from benchmark.interface.commands.run import INTERRUPTED
from benchmark.interface.terminal.streams import flush_all, legible, tell
from benchmark.messages import nearest, printable

_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit code.

    Our own errors, and what the system refuses, become one line and 1; Ctrl-C becomes one line and 130.
    """
    legible(sys.stdout, sys.stderr)
    code, told_of = _run(sys.argv[1:] if arguments is None else list(arguments))
    # The reader, such as `head`, may have seen enough, and a disk may be full.
    if (problem := flush_all()) is not None:
        code = code or 1
        told_of = "" if isinstance(problem, BrokenPipeError) else f"standard output: {problem.strerror or problem}"
    if told_of:
        _tell(told_of)
        flush_all()
    return code


def _run(arguments: list[str]) -> tuple[int, str]:
    """Run a subcommand; returns the exit code, and what is to be said of an error."""
    by_name = parsers()
    if arguments and arguments[0] not in (*by_name, "-h", "--help"):
        kind = "option" if arguments[0].startswith("-") else "command"
        return _USAGE, f"there is no {kind} '{arguments[0]}'{_nearest(arguments[0], (*by_name, '--help'))}"
    try:
        options, unknown = by_name[""].parse_known_args(arguments)
        if unknown and options.command not in (run.COMMAND, run.CLOCK_COMMAND, harness.COMMAND):
            return _USAGE, _surplus(by_name[options.command], options.command, unknown)
        return options.run(argparse.Namespace(**vars(options), rest=unknown)), ""
    except SystemExit as end:  # of argparse, which has said why
        return end.code if isinstance(end.code, int) else int(end.code is not None), ""
    except KeyboardInterrupt:
        return INTERRUPTED, "interrupted"
    except BrokenPipeError:
        return 1, ""
    except ExitBenchError as error:
        return 1, "\n".join([told(error), *getattr(error, "__notes__", [])])
    except OSError as error:
        return 1, ": ".join(printable(part) for part in (error.filename, error.strerror or error) if part is not None)


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
    show.add(added)
    ladder.add(added)
    compare.add(added)
    sweep.add(added)
    grid.add(added)
    leaderboard.add(added)
    plan.add(added)
    fetch.add(added)
    contribution.add(added)
    choices.add(added)
    harness.add(added)
    return {"": parser, **added.choices}


def _surplus(parser: argparse.ArgumentParser, command: str, unknown: Sequence[str]) -> str:
    """What to say of words that a command does not take."""
    option = next((word.partition("=")[0] for word in unknown if word.startswith("-")), None)
    if option is None:
        return f"{command} does not take '{unknown[0]}'; see: exitbench {command} --help"
    names = [name for action in parser._actions for name in action.option_strings]
    return f"{command} has no option '{option}'{_nearest(option, names, command)}"


def _nearest(word: str, names: Iterable[str], command: str = "") -> str:
    near = nearest(word, filter(None, names))
    return f"; did you mean '{near}'?" if near else f"; see: {' '.join(filter(None, ('exitbench', command)))} --help"


def _tell(problem: str) -> None:
    """Print what went wrong, line by line, with nothing in it that a terminal would act on."""
    tell("\n".join(printable(line) for line in f"exitbench: {problem}".split("\n")))
