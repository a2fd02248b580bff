"""The option `--format` of commands that print tables, and printing them."""

import argparse
import shutil
import sys

from benchmark.report.tables import FORMATS, Format, Table, written


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the option to a command."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="text, as wide as the terminal (default); md: Markdown; latex: a tabular with booktabs; csv: numbers in "
        "full",
    )


def terminal_columns() -> int | None:
    """Return the columns of the terminal that is printed to; None where it is none, and lines may be of any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_table(table: Table, form: Format) -> None:
    """Print a table in a form."""
    print(written(table, form, terminal_columns()))
