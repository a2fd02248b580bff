"""Interpreters that lack a package."""

import subprocess
import sys
from pathlib import Path

import pytest


def python_without(folder: Path, *packages: str) -> Path:
    """An interpreter with all that is installed here, but for what has one of these words in its name."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (there,) = folder.glob("lib/*/site-packages")
    for entry in Path(pytest.__file__).parents[1].iterdir():
        if not (there / entry.name).exists() and not any(word in entry.name.split("-")[0] for word in packages):
            (there / entry.name).symlink_to(entry)
    return folder / "bin" / "python"
