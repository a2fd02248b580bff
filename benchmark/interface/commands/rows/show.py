"""`exitbench show`: one model of a results folder, from one sentence down to the tokens of a text."""

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import InputError
from benchmark.inputs.packaged import LOCAL_RESULTS
from benchmark.interface.commands.folders import existing, found_rows, of_model
from benchmark.interface.commands.rows.tables import add_format, print_table
from benchmark.interface.terminal.depth import bars, coloured, legend, numbered
from benchmark.interface.terminal.letters import Letters, folded
from benchmark.messages import printable

if TYPE_CHECKING:
    from benchmark.results.row import Row

_PAGE = 100


def add(commands: Any) -> None:
    """Add the command to those of `exitbench`."""
    parser = commands.add_parser(
        "show",
        help="one model of a results folder: what it could skip, layer by layer, and a text coloured by exit depth",
        description="Print in one sentence what a model could skip, its ladder from the oracle to what can be had, "
        "how often each layer already has the token, and the beginning of a text, each token in the colour of the "
        "layer at which it was there first; without colours (NO_COLOR, or no terminal) layers stand in brackets. "
        "--format prints the agreement of layers on workloads as a table.",
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", help="as its rows call it")
    parser.add_argument(
        "--results-dir", type=Path, default=LOCAL_RESULTS, metavar="DIR", help=f"default: {LOCAL_RESULTS}"
    )
    parser.add_argument("--workload", metavar="NAME", help="only this workload")
    add_format(parser)
    parser.set_defaults(run=_show)


def _show(options: argparse.Namespace) -> int:
    existing(options.results_dir)

    from benchmark.report import ladder, profile
    from benchmark.report.headline import headline_of_rows
    from benchmark.results.comparable import STUDY

    of_it = of_model(found_rows(options.results_dir), options.model, options.results_dir)
    found, note = profile.of_one_setting([one for one in of_it if options.workload in (None, one[1].workload)])
    if not found:
        of = options.model if options.workload is None else f"{options.model} on '{options.workload}'"
        what = f"of the study {STUDY} went well on the model's own texts"
        raise InputError(f"show: no row of {printable(of)} {what}; see exitbench plan")
    rows = [row for _, row in found]
    if options.format != "text":
        print_table(profile.table(rows), options.format)
        if note is not None:
            print(printable(note), file=sys.stderr)
        return 0
    columns = shutil.get_terminal_size((_PAGE, 24)).columns
    letters = Letters(sys.stdout.encoding or "utf-8")
    layers = [(layer.number, layer.agreement, layer.exits) for layer in profile.layers(rows)]
    print("\n".join(folded(headline_of_rows(rows), columns)), end="\n\n")
    if note is not None:
        print("\n".join(folded(printable(note), columns)), end="\n\n")
    print(ladder.as_text(ladder.ladders(rows), columns), end="\n\n")
    print("\n".join(bars(layers, columns, letters)), end="\n\n")
    _print_text(found[0][0], found[0][1])
    return 0


def _print_text(path: Path, row: "Row") -> None:
    """Print the beginning of the first text of a row."""
    from benchmark.report.profile import first_text

    text = first_text(path, row)
    more = " …" if text.shortened else ""
    print(f"{printable(text.workload)}: the first text, each token with the layer at which it was there first\n")
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    if colours:
        print(f"{coloured(text.tokens, text.num_layers)}{more}", end="\n\n")
        print(legend(text.num_layers))
    else:
        print(f"{numbered(text.tokens)}{more}")
