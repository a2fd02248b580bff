"""The commands of a contribution: new-model, validate, check, merge, schema.

Modules are imported where they are used, because some of them take seconds and `--help` should not.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from benchmark.inputs.packaged import MODELS, PACKAGE
from benchmark.interface.commands.folders import existing, of_checkout, tell_of_others
from benchmark.messages import printable


def add(commands: Any) -> None:
    """Add the commands to those of `exitbench`."""
    _add_new_model(commands.add_parser)
    _add_validate(commands.add_parser)
    _add_check(commands.add_parser)
    _add_merge(commands.add_parser)
    _add_schema(commands.add_parser)


def _add_new_model(add: Any) -> None:
    parser = add(
        "new-model",
        help="print the entry of a model of the hub, to paste into models.yaml",
        description="Print an entry for the end of the model file: what the hub says of the model filled in, what only "
        "people know as comments. Writes no file and downloads no model.",
        allow_abbrev=False,
    )
    parser.add_argument("id", metavar="ID", help="hub id, such as Qwen/Qwen3-0.6B")
    parser.add_argument("--model-file", type=Path, default=MODELS, metavar="FILE", help=f"default: {MODELS}")
    parser.set_defaults(run=_new_model)


def _add_validate(add: Any) -> None:
    parser = add(
        "validate",
        help="tell everything that is wrong with a model file or a workload file",
        description="Read model files and workload files and print every mistake in them, one a line, with the file, "
        "the entry and the field. Exit code 1 when there are any.",
        allow_abbrev=False,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="such as models.yaml")
    parser.set_defaults(run=_validate)


def _add_check(add: Any) -> None:
    parser = add(
        "check",
        help="verify a folder of results against its tokens, offline",
        description="Compute every column of every row anew from the tokens beside it and compare; look for values "
        "that cannot be, for rows that are not of a full and clean run, for measurements and files that should not be "
        "there, and for what does not fit the workload, the model file or the folder. No model is loaded and no link "
        "followed. Exit code 1 when anything is wrong.",
        allow_abbrev=False,
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="of results, or a part of it")
    parser.add_argument("--model-file", type=Path, metavar="FILE", help=f"default: {MODELS}, if it is there")
    _add_workload_files(parser)
    parser.add_argument(
        "--suite",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a file with experiments of your own; repeatable",
    )
    parser.add_argument("--json", action="store_true", help="print a verdict for programs")
    parser.set_defaults(run=_check)


def _add_merge(add: Any) -> None:
    parser = add(
        "merge",
        help="copy the rows of other folders, and their tokens, into one",
        description="Copy rows and their tokens into a results folder, which is made if it is missing, and rewrite "
        "its table. Of two rows of the same name the newer version wins, a case that went well over one that failed, "
        "and of the same tokens the row with more experiments; every row that loses is named. Rows of limited runs are "
        "copied, too, and told of. Two different measurements are a conflict: the row that is there stays, and the "
        "exit code is 1.",
        allow_abbrev=False,
    )
    parser.add_argument("into", type=Path, metavar="INTO", help="results folder; made if it is missing")
    parser.add_argument("sources", nargs="*", type=Path, metavar="FROM", help="results folders; none: only the table")
    parser.set_defaults(run=_merge)


def _add_schema(add: Any) -> None:
    parser = add(
        "schema",
        help="write docs/schema: JSON Schema of rows and of models.yaml",
        description="Write the JSON Schema files that programs read rows by, and that editors check models.yaml by.",
        allow_abbrev=False,
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is out of date")
    parser.set_defaults(run=_schema)


def _add_workload_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workload-file", action="append", default=[], type=Path, metavar="FILE", help="a workload of your own"
    )


def _new_model(options: argparse.Namespace) -> int:
    from benchmark.inputs.model_entry import load_models
    from benchmark.interface.commands.new_entry import new_entry

    entries = load_models(options.model_file) if options.model_file.exists() else []
    for line in new_entry(options.id, entries):
        print(line)
    return 0


def _validate(options: argparse.Namespace) -> int:
    from benchmark.errors import InputError
    from benchmark.interface.commands.new_entry import validate

    problems = []
    for path in options.files:
        try:
            print(printable(validate(path)))
        except InputError as error:
            problems += str(error).splitlines()
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _check(options: argparse.Namespace) -> int:
    for folder in options.folders:
        existing(folder)

    from benchmark.inputs.model_entry import load_models
    from benchmark.models.hub import Hub
    from benchmark.results.audit.check import check
    from benchmark.results.suites import load_suites

    file = options.model_file or MODELS
    models = None
    if options.model_file is not None or MODELS.exists():
        models = {spec.name: spec for spec in load_models(file)}
    files, own = Hub(download=False), load_suites(options.suite)
    verdicts = [
        verdict for folder in options.folders for verdict in check(folder, models, files, own, options.workload_file)
    ]
    wrong = sum(not verdict.ok for verdict in verdicts)
    if options.json:
        data = {"ok": not wrong, "verdicts": [verdict.as_data() for verdict in verdicts]}
        print(json.dumps(data, indent=1))
    else:
        for verdict in verdicts:
            for line in verdict.lines():
                print(line)
        print(f"files checked: {len(verdicts)}, wrong: {wrong}")
    for folder in options.folders:
        tell_of_others(folder)
    return 1 if wrong else 0


def _merge(options: argparse.Namespace) -> int:
    for source in options.sources:
        existing(source)

    from benchmark.results.merge import merge

    counts: Counter[str] = Counter()
    settled, limited = True, 0
    for merged in merge(options.into, options.sources):
        counts[merged.outcome] += 1
        settled = settled and merged.outcome.settled
        limited += merged.limited and merged.outcome.taken
        if merged.text:
            print(printable(f"{merged.path}: {merged.outcome}: {merged.text}"))
    told = ", ".join(f"{outcome} {count}" for outcome, count in counts.items())
    print(printable(f"{options.into}: {told or 'table.csv written anew'}"))
    if limited:
        what = "of a limited run, not of all prompts of a workload; check refuses such rows, findings leave them out"
        print(f"of these taken, {limited} {'is' if limited == 1 else 'are'} {what}")
    for folder in (options.into, *options.sources):
        tell_of_others(folder)
    return 0 if settled else 1


def _schema(options: argparse.Namespace) -> int:
    of_checkout(PACKAGE.parent / "docs")

    from benchmark.results import json_schema as schema

    if options.check:
        outdated = schema.outdated()
        for path in outdated:
            print(f"{path} is out of date; run: exitbench schema", file=sys.stderr)
        return 1 if outdated else 0
    for path, text in schema.files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path}")
    return 0
