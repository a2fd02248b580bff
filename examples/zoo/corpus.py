"""The text: sources and documentation of the standard library of the Python that runs, split by hash of their names."""

import ast
import hashlib
import os
import platform
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmark.errors import InputError

Part = Literal["train", "held-out"]
LICENCE = (
    f"Sources and documentation of the standard library of Python {platform.python_version()}, copyright Python "
    "Software Foundation and contributors, PSF-2.0 (docs.python.org/3/license.html). Prompts quote some of it."
)
_LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "encodings"}
"""Folders of tests, of other packages, and of tables of letters."""
_TOPICS = "pydoc_data/topics.py"
"""The chapters of the language reference, as the values of one dictionary."""
_HELD_OUT = 26
"""Of 256 names, so many are held out: a tenth."""


@dataclass(frozen=True)
class Document:
    """A file, or a chapter of one."""

    name: str
    """Below the folder of the standard library; of a chapter with `#` and its title."""
    sha256: str
    """Of the file, in hexadecimal."""
    text: str

    @property
    def part(self) -> Part:
        """What it is for; the name alone decides, so another version of Python has the same split."""
        return "held-out" if hashlib.sha256(self.name.encode()).digest()[0] < _HELD_OUT else "train"

    @property
    def is_source(self) -> bool:
        """Whether it is Python, not prose."""
        return self.name.endswith(".py")


def standard_library(files: int | None = None) -> list[Document]:
    """Return the documents in the order of the hash of their names, which puts those held out first.

    Args:
        files: only so many of each part, for a trial.

    Raises:
        InputError: there is no source of the standard library on this machine.
    """
    root = Path(sysconfig.get_path("stdlib"))
    documents = sorted(_documents(root), key=lambda document: hashlib.sha256(document.name.encode()).digest())
    if not documents:
        raise InputError(f"{root}: no sources of the standard library; use a Python that ships with them")
    parts = [[document for document in documents if document.part == part] for part in ("held-out", "train")]
    return [document for part in parts for document in part[:files]]


def provenance(documents: list[Document]) -> dict[str, Any]:
    """Return the list of files with hashes and parts, and the licence note: what is written beside the models."""
    return {
        "licence": LICENCE,
        "python": platform.python_version(),
        "documents": [{"name": d.name, "sha256": d.sha256, "part": d.part} for d in documents],
    }


def _documents(root: Path) -> Iterator[Document]:
    for path in _files(root):
        inner = path.relative_to(root)
        wanted = path.suffix in {".py", ".rst", ".txt"}
        # The build of this very Python is no text: it differs from machine to machine.
        if not wanted or inner.name.startswith("_sysconfigdata") or not path.is_file():
            continue
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            continue
        if inner.as_posix() == _TOPICS:
            for title, chapter in _chapters(text):
                yield Document(f"{_TOPICS}#{title}", digest, chapter)
        elif text.strip():
            yield Document(inner.as_posix(), digest, text)


def _files(root: Path) -> Iterator[Path]:
    """The files below a folder, without looking into those that are left out, which may be large."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        yield from (Path(folder) / name for name in names)


def _chapters(text: str) -> Iterator[tuple[str, str]]:
    """The values of the dictionary in the file, which is read and not run."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Dict):
            yield from ast.literal_eval(node).items()
            return
