"""Folders that a command reads and writes, and the rows in them."""

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import InputError
from benchmark.inputs.packaged import PACKAGE
from benchmark.messages import nearest, printable

if TYPE_CHECKING:
    from benchmark.results.row import Row


def existing(folder: Path) -> Path:
    """Return a folder that is there.

    Raises:
        InputError: it is not; names one beside it that is spelt alike.
    """
    if folder.is_file():
        raise InputError(f"{printable(folder)}: is a file; name the folder it lies in: {printable(folder.parent)}")
    if folder.is_dir():
        return folder
    parent = folder.parent
    beside = [path.name for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
    near = difflib.get_close_matches(folder.name, beside, n=1, cutoff=0.6)
    remedy = (
        f"did you mean {printable(parent / near[0])}?" if near else "name a folder of results, such as results/local"
    )
    raise InputError(f"{printable(folder)}: no such folder; {remedy}")


def of_checkout(path: Path) -> Path:
    """Return a path that only a checkout of the project has.

    Raises:
        InputError: the package is installed without it.
    """
    if not (PACKAGE.parent / "pyproject.toml").is_file():
        raise InputError(f"{printable(path)}: is part of a checkout of the project; run the command of a checkout")
    return path


def found_rows(folder: Path) -> "list[tuple[Path, Row]]":
    """Return every row of this version below a folder, with its file.

    Raises:
        InputError: there is none.
    """
    from benchmark.results.versions import inventory

    rows = [(found.path, found.row) for found in inventory(folder) if found.row is not None]
    if not rows:
        where = printable(folder)
        raise InputError(f"{where}: holds no rows; measure with: pytest suites/ --results-dir {where}")
    return rows


def of_model(rows: "Sequence[tuple[Path, Row]]", name: str, folder: Path) -> "list[tuple[Path, Row]]":
    """Return the rows of a model.

    Raises:
        InputError: there are none; names one that is spelt alike, or all that there are.
    """
    if chosen := [found for found in rows if found[1].model == name]:
        return chosen
    models = list(dict.fromkeys(row.model for _, row in rows))
    near = nearest(name, models)
    there = printable(f"did you mean {near}?" if near else f"there are: {', '.join(models)}")
    raise InputError(f"{printable(folder)}: has no model '{printable(name)}'; {there} (--results-dir names the folder)")


def tell_of_others(folder: Path) -> None:
    """Say on standard error that a folder has rows of other versions, if it has some."""
    from benchmark.results.versions import remark

    if (line := remark(folder)) is not None:
        print(printable(line), file=sys.stderr)
