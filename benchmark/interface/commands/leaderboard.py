"""`exitbench leaderboard`: write the leaderboard, or check that the one there is what the rows give."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from benchmark.errors import InputError
from benchmark.interface.commands.folders import existing

RESULTS = Path("results/published")
OUTPUT = Path("results/leaderboard")


def add(commands: Any) -> None:
    """Add the command to those of `exitbench`."""
    parser = commands.add_parser(
        "leaderboard",
        help="write tables and a page from a folder of results",
        description="Rank the models of a results folder, and write leaderboard.md, models.csv, rows.csv, "
        "ladder.svg, a folder of pictures, and index.html, a page that needs nothing but plotly.min.js, which is "
        "written beside it. Failed cases, limited runs and rows of another version are counted, not listed.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=RESULTS, metavar="FOLDER", help=f"of results; default: {RESULTS}"
    )
    parser.add_argument(
        "--output", type=Path, default=OUTPUT, metavar="FOLDER", help=f"where to write; default: {OUTPUT}"
    )
    parser.add_argument(
        "--reference", metavar="MODEL", help="whose EAS is 1 in the column of ratios; default: Llama-2-7b-hf, if there"
    )
    parser.add_argument(
        "--findings", action="store_true", help="hold published claims against the rows, too; reads the tokens of each"
    )
    parser.add_argument("--limited", action="store_true", help="list limited runs too, marked and without a rank")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when a table is not what the rows give"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the files, or compare them; returns the exit code."""
    existing(options.folder)

    # Only now, because pandas takes a second, and --help should not.
    from benchmark.atomic_files import atomic_file
    from benchmark.report.leaderboard.build import KEPT, files
    from benchmark.report.leaderboard.html.figures import PICTURES
    from benchmark.report.leaderboard.page import LIBRARY, library

    new = files(options.folder, options.output, options.reference, options.limited, options.findings)
    if options.check:
        stale = [path for name in KEPT if _content(path := options.output / name) != new[name]]
        for path in stale:
            print(f"{path} is not what the rows give; run: {_command(options)}", file=sys.stderr)
        if not stale:
            print(f"{options.output} is what the rows give")
        return 1 if stale else 0
    written = {name: content for name, content in {**new, LIBRARY: library()}.items() if content}
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / PICTURES).mkdir(exist_ok=True)
        for name, content in written.items():
            with atomic_file(options.output / name) as draft:
                draft.write_bytes(content)
        for name in new.keys() - written.keys():
            (options.output / name).unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"--output: cannot write to {options.output}: {reason}; name another folder") from None
    for name in written:
        print(options.output / name)
    return 0


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _command(options: argparse.Namespace) -> str:
    words = ["exitbench", "leaderboard"]
    words += [str(options.folder)] * (options.folder != RESULTS)
    words += ["--output", str(options.output)] * (options.output != OUTPUT)
    words += ["--reference", options.reference] if options.reference else []
    words += ["--limited"] * options.limited + ["--findings"] * options.findings
    return shlex.join(words)
