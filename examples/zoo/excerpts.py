"""What is cut out of documents: functions and prose to be continued, and instructions made of docstrings."""

import ast
import hashlib
import json
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmark.atomic_files import atomic_file
from benchmark.errors import InputError
from examples.zoo.corpus import LICENCE, Document
from examples.zoo.entries import Workloads

_SHORTEST, _LONGEST = 120, 400
"""Letters of a prompt; 400 are about 130 tokens."""
_CHAPTER = 2 * _LONGEST
"""A stretch of prose that a prompt and what follows it are cut out of."""


@dataclass(frozen=True)
class Function:
    """A function with its docstring."""

    name: str
    source: str
    """Without the indentation that it has in its class."""
    docstring: str


def functions(document: Document) -> list[Function]:
    """Return the functions of a document that have a docstring, in the order of their lines; of prose none."""
    if not document.is_source:
        return []
    try:
        with warnings.catch_warnings(action="ignore"):  # of old sources, about their escapes
            tree = ast.parse(document.text)
    except SyntaxError:  # the library keeps a few files that another version of Python reads
        return []
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lines = document.text.splitlines(keepends=True)
    return [
        Function(node.name, textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno])), docstring)
        for node in sorted(nodes, key=lambda node: node.lineno)
        if (docstring := ast.get_docstring(node))
    ]


def prose(document: Document) -> list[str]:
    """Return stretches of prose: docstrings of a source, some paragraphs at once of a text."""
    if document.is_source:
        return [function.docstring for function in functions(document)]
    stretches = [""]
    for paragraph in document.text.split("\n\n"):
        if len(stretches[-1]) > _CHAPTER:
            stretches.append("")
        stretches[-1] += paragraph.strip("\n") + "\n\n"
    return [stretch.strip() for stretch in stretches]


def instructions(documents: Iterable[Document]) -> Iterator[tuple[str, str]]:
    """Yield what a person asks and the answer: what a function does, and the function that does it."""
    for document in documents:
        module = document.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for function in functions(document):
            summary = " ".join(function.docstring.split("\n\n")[0].split())
            signature = function.source.split("\n")[0].removeprefix("async ").removeprefix("def ").rstrip(":")
            yield f"What does {signature} of the module {module} do?", summary
            yield f"Write a function {function.name}. {summary}", function.source.rstrip()


def write_workloads(documents: list[Document], asked: Workloads, folder: Path) -> list[Path]:
    """Write the workloads, a YAML file each with its records beside it, and return the YAML files.

    Args:
        documents: those that are held out.
        asked: how many prompts, and how much is generated.
        folder: where to; it is there already.

    Raises:
        InputError: there is too little text for so many prompts.
    """
    sources = [function.source for document in documents for function in functions(document)]
    stretches = [stretch for document in documents for stretch in prose(document)]
    return [
        _write(folder, "zoo_functions", "Functions of the standard library, to be continued.", sources, asked),
        _write(folder, "zoo_prose", "Docstrings and documentation, to be continued.", stretches, asked),
    ]


def _write(folder: Path, name: str, description: str, texts: list[str], asked: Workloads) -> Path:
    halves = {half for text in texts if (half := _halves(text)) is not None}
    # By hash, so that prompts come from many files, the same ones every time.
    chosen = sorted(halves, key=lambda half: hashlib.sha256(half[0].encode()).digest())[: asked.prompts]
    if len(chosen) < asked.prompts:
        raise InputError(f"{name}: too little text: {len(chosen)} held-out prompts of {asked.prompts}; ask for fewer")
    records = [
        json.dumps({"id": f"{name}-{number}", "prompt": prompt, "rest": rest})
        for number, (prompt, rest) in enumerate(chosen, start=1)
    ]
    with atomic_file(folder / f"{name}.jsonl") as draft:
        draft.write_text("".join(f"{record}\n" for record in records), encoding="utf-8")
    workload = {
        "name": name,
        "description": f"{description} {LICENCE}",
        "source": {"file": f"{name}.jsonl"},
        "field": "prompt",
        "target": "rest",
        "scorer": "chrf",
        "kind": "completion",
        "prompts": asked.prompts,
        "max_new_tokens": asked.max_new_tokens,
        "licence": "PSF-2.0",
    }
    path = folder / f"{name}.yaml"
    with atomic_file(path) as draft:
        draft.write_text(yaml.safe_dump(workload, sort_keys=False), encoding="utf-8")
    return path


def _halves(text: str) -> tuple[str, str] | None:
    """The first half of a text and as much of what follows it, cut where a word begins; None of a text too short."""
    middle = text.rfind(" ", 0, min(len(text) // 2, _LONGEST))
    # The space begins the next token of a byte-level BPE, so it belongs to what is to be written.
    prompt, rest = text[:middle].rstrip(), text[middle : 2 * middle]
    return (prompt, rest.strip()) if len(prompt) >= _SHORTEST and rest.strip() else None
