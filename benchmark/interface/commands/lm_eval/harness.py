"""`exitbench lm-eval`: the command line of lm-evaluation-harness, which knows our models as `exitbench`."""

import argparse
import sys
from typing import Any

from benchmark.errors import ExitBenchError, InputError

COMMAND = "lm-eval"
_SUBCOMMANDS = ("run", "ls", "validate")


def add(commands: Any) -> None:
    """Add the command to those of `exitbench`. What it is given is lm-eval's to read."""
    parser = commands.add_parser(
        COMMAND,
        help="run tasks of lm-evaluation-harness, early exits included, with its own options",
        add_help=False,
        allow_abbrev=False,
    )
    parser.set_defaults(run=_lm_eval)


def _lm_eval(options: argparse.Namespace) -> int:
    from benchmark.inputs.data.lm_eval_library import require

    require()

    # Registers the model.
    from lm_eval.__main__ import cli_evaluate

    import benchmark.interface.commands.lm_eval.model  # noqa: F401

    before = sys.argv
    sys.argv = ["lm_eval", *_with_model(options.rest)]
    try:
        cli_evaluate()
    except (ExitBenchError, OSError):
        raise
    except Exception as error:  # whatever tasks, filters and metrics, which are programs, may raise
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"lm-eval: {type(error).__name__}: {reason}") from None
    finally:
        sys.argv = before
    return 0


def _with_model(words: list[str]) -> list[str]:
    """Return words with our model among them, unless they name another, or ask for something else than a run."""
    named = any(word.partition("=")[0] in ("--model", "-M", "--config", "-C") for word in words)
    options = [word for word in words if word.startswith("-")]
    runs = bool(options) and not {"-h", "--help"} & {*words} and words[0] not in _SUBCOMMANDS[1:]
    return [*words, "--model", "exitbench"] if runs and not named else words
