"""`exitbench compare`: two results folders, or two models of one, beside each other."""

import argparse
from pathlib import Path
from typing import Any

from benchmark.inputs.packaged import LOCAL_RESULTS
from benchmark.interface.commands.folders import existing, found_rows, of_model
from benchmark.interface.commands.rows.tables import add_format, print_table
from benchmark.messages import printable


def add(commands: Any) -> None:
    """Add the command to those of `exitbench`."""
    parser = commands.add_parser(
        "compare",
        help="what differs between two results folders, or two models of one, with intervals over prompts",
        description="Print, for every workload that both have, skip ratio, EAS, bounds, gates and scores of A and B, "
        "and B - A with its 95 %% interval: prompts are drawn, each with its tokens on both sides, 10,000 times. Rows "
        "that were not asked the same (other prompts, texts, number of tokens, study) are not compared, and named.",
        allow_abbrev=False,
    )
    for side in ("A", "B"):
        parser.add_argument(side.lower(), metavar=side, help="a results folder, or a model of --results-dir")
    parser.add_argument(
        "--results-dir",
        type=Path,
        default=LOCAL_RESULTS,
        metavar="DIR",
        help=f"where the rows of models are; default: {LOCAL_RESULTS}",
    )
    parser.add_argument(
        "--workload", action="append", default=[], metavar="NAME", help="only this workload; repeatable"
    )
    add_format(parser)
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    sides = [options.a, options.b]
    folders = all(Path(side).is_dir() for side in sides)
    if not folders:
        existing(options.results_dir)

    from benchmark.report.compare import compare, refuse_nothing, table

    found = [
        found_rows(existing(Path(side)))
        if folders
        else of_model(found_rows(options.results_dir), side, options.results_dir)
        for side in sides
    ]
    if options.workload:
        found = [[one for one in side if one[1].workload in options.workload] for side in found]
    comparison = compare(found[0], found[1])
    refuse_nothing(comparison)
    if options.format == "text":
        for letter, side, models in zip("AB", sides, comparison.sides, strict=True):
            of = f"{side}: " if folders else ""
            print(printable(f"{letter}: {of}{'; '.join(models)}"))
        print()
    print_table(table(comparison), options.format)
    if options.format == "text":
        notes = [f"left out: {line}" for line in comparison.left_out]
        if any(pair.limited for pair in comparison.pairs):
            notes.append("* limited: not the prompts of a full run")
        print("\n".join(["", *notes]) if notes else "", end="\n" if notes else "")
    return 0
