"""`exitbench ladder`: what a perfect rule could skip, and what of it can be had."""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmark.errors import InputError
from benchmark.interface.commands.folders import existing
from benchmark.interface.commands.rows.tables import add_format, print_table, terminal_columns
from benchmark.messages import printable


def add(commands: Any) -> None:
    """Add the command to those of `exitbench`."""
    ladder = commands.add_parser(
        "ladder",
        help="from what a perfect rule could skip to what can be had, step by step",
        description="Print, for every case of a folder of results, the speed of each step from the oracle down: layers "
        "alone, head paid, cache paid, settled exits, the best gate that is to keep 95 or 99 % of tokens, lossless "
        "self-speculation.",
        allow_abbrev=False,
    )
    ladder.add_argument("folder", type=Path, metavar="FOLDER", help="of results, such as results/local")
    add_format(ladder)
    ladder.add_argument("--json", action="store_true", help="print JSON instead of tables")
    ladder.set_defaults(run=_ladder)


def _ladder(options: argparse.Namespace) -> int:
    existing(options.folder)

    from benchmark.report.ladder import as_text, ladders, table
    from benchmark.results.table import read_rows

    found = ladders(read_rows(options.folder))
    if not found:
        raise InputError(
            f"{printable(options.folder)}: holds no row of the oracle study that went well; measure with: "
            f"pytest suites/ --study oracle --results-dir {printable(options.folder)}"
        )
    if options.json:
        print(json.dumps(found, indent=1, allow_nan=False))
    elif options.format == "text":
        print(as_text(found, terminal_columns()))
    else:
        print_table(table(found), options.format)
    return 0
