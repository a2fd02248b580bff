"""`exitbench run` and `exitbench clock`: the packaged suites in any folder, with the options of pytest."""

import argparse
import difflib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.inputs.packaged import LOCAL_RESULTS, MODELS, PACKAGE, SUITES, model_file

COMMAND = "run"
CLOCK_COMMAND = "clock"
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
_OF_CLOCK = (
    *("--model-file", "--model", "--workload", "--workload-file", "--timed-batch", "--rounds", "--gate"),
    *("--check-every", "--min-exit-layer", "--max-pending", "--limit", "--max-new-tokens", "--dtype", "--device"),
    *("--results-dir", "--rerun", "--download", "--trust-remote-code", "--seed"),
)
_SETTINGS = (
    # No settings and no conftest.py but those of the package: the current folder may belong to anything.
    *("-c", os.devnull, f"--rootdir={PACKAGE}", "-p", "no:cacheprovider", "--import-mode=importlib"),
    *(
        "-o",
        "filterwarnings=ignore::DeprecationWarning:torch.*\nignore:Benchmark fixture was not used"
        # The command is a module of the package whose plugin pytest would like to see first.
        "\nignore:Module already imported:pytest.PytestAssertRewriteWarning",
    ),
)


def add(commands: Any) -> None:
    """Add both commands to those of `exitbench`. They read arguments themselves: pytest alone knows all options."""
    helps = {
        COMMAND: "measure models with the suites of the package, in any folder",
        CLOCK_COMMAND: "time what layers are worth on this machine: run --study clock",
    }
    for name, text in helps.items():
        parser = commands.add_parser(name, help=text, add_help=False, allow_abbrev=False)
        parser.set_defaults(run=_run)


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names of models, and everything else.

    Names may stand among our own options. Whether a word after an option of pytest's is its value only pytest knows, so
    that from such an option on everything is pytest's.
    """
    from benchmark.interface.option_table import OPTIONS

    names: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if not word.startswith("-"):
            names.append(word)
            continue
        if word in OPTIONS and OPTIONS[word].get("action") != "store_true":
            # As one word, since pytest takes a word such as @rows for a file with more arguments.
            value = next(words, None)
            rest.append(word if value is None else f"{word}={value}")
            continue
        rest.append(word)
        if word.partition("=")[0] not in OPTIONS:
            rest += words
    return names, rest


def _run(options: argparse.Namespace) -> int:
    from benchmark.inputs.catalog import load_workloads
    from benchmark.inputs.model_entry import load_models
    from benchmark.inputs.selection import select

    asked, _ = _parser(options.command).parse_known_args(options.rest)
    names, rest = split(options.rest)
    if options.command == CLOCK_COMMAND:
        rest = ["--study=clock", *rest]
    # A mistyped name is told before pytest and torch are imported.
    file = model_file(asked.model_file)
    models = load_models(file)
    select(models, names, options.command, str(file))
    select(models, asked.model, "--model", str(file))
    select(load_workloads(asked.workload_file), asked.workload, "--workload", "the workloads")

    import pytest

    chosen = [f"--model={name}" for name in names]
    stopped = _Stopped()
    code = pytest.main([*_suites(SUITES), *_SETTINGS, f"--model-file={file}", *chosen, *rest], plugins=[stopped])
    if code == pytest.ExitCode.USAGE_ERROR:
        _suggest(rest)
    return INTERRUPTED if stopped.by_hand else int(code)


class _Stopped:
    """A plugin that sees whether Ctrl-C has ended the session; pytest has one exit code for that and more."""

    by_hand = False

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        """Remember it."""
        self.by_hand = self.by_hand or isinstance(excinfo.value, KeyboardInterrupt)


def _suites(folder: Path) -> list[str]:
    """What pytest calls a folder. It takes `[` and `::` in a path for something else; there, the name of a module."""
    if "[" not in str(folder) and "::" not in str(folder):
        return [str(folder)]
    return ["--pyargs", f"{PACKAGE.name}.{folder.name}", "--noconftest"]


def _parser(command: str) -> argparse.ArgumentParser:
    """Return our own options, for their help and their values."""
    from benchmark.interface.option_table import OPTIONS

    if command == CLOCK_COMMAND:
        parser = argparse.ArgumentParser(
            prog=f"exitbench {CLOCK_COMMAND}",
            usage="exitbench clock [MODEL ...] [OPTION ...] [OPTION OF PYTEST ...]",
            description="Time what layers are worth on this machine: texts that are known are written again with the "
            "layers up to each exit only, beside plain decoding, deferred decoding by a real gate and self-speculation "
            "of transformers. Prefer an idle machine. This is a pytest session, as exitbench run is.",
            allow_abbrev=False,
        )
        for name in _OF_CLOCK:
            parser.add_argument(name, **OPTIONS[name])
        return parser

    parser = argparse.ArgumentParser(
        prog=f"exitbench {COMMAND}",
        usage="exitbench run [MODEL ...] [OPTION ...] [OPTION OF PYTEST ...]",
        description="Measure models, by exact name or glob, on every workload that is on this machine, with the suites "
        f"of the package; all models when none is named. Models are those of {MODELS} in the current folder, else "
        f"those of the package. Rows go to {LOCAL_RESULTS} in the current folder. This is a pytest session: other "
        "options, such as -k exits, -x or -n 2, are pytest's, and stand behind the names of models (pytest --help).",
        epilog="exitbench run SmolLM2-135M-Instruct --workload math --texts answers.jsonl reads what another engine "
        'has answered, one {"index": 0, "text": "..."} a line.',
        allow_abbrev=False,
    )
    for name, settings in OPTIONS.items():
        parser.add_argument(name, **settings)
    return parser


def _suggest(words: Sequence[str]) -> None:
    """Tell what a mistyped option may have meant; pytest has told that it does not know it."""
    from benchmark.interface.option_table import OPTIONS

    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        near = difflib.get_close_matches(option, OPTIONS, n=1, cutoff=0.75)
        if near and near != [option]:
            print(f"exitbench: near to {option}: {near[0]}", file=sys.stderr)
