"""Folders that a command reads and writes."""

import difflib
from pathlib import Path

from benchmark.errors import InputError
from benchmark.inputs.packaged import PACKAGE
from benchmark.messages import printable


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
