"""Where rows of GGUF files say that they come from."""

from pathlib import Path

import pytest
from folders import row_of

from benchmark.inputs.model_entry import ModelEntry
from benchmark.models.hub import Hub
from benchmark.results.audit.origins import other_origins
from benchmark.results.audit.row import false_claims

SHA256 = "sha256:" + "0a" * 32
COMMIT = "c0ffee" + "0" * 34


def faults(entry: str, source: str) -> set[str]:
    """Columns that are at fault in a row from a source, held against an entry."""
    spec = ModelEntry.model_validate({"name": "m", **dict(part.split(": ") for part in entry.split(", "))})
    row = row_of(model="m", source=source)
    return {fault.column for fault in other_origins(row, {"m": spec}, {}, Hub(download=False))} & {"source"}


@pytest.mark.parametrize(
    ("entry", "source"),
    [
        ("path: weights/m.Q4_1.gguf", "path:m.Q4_1.gguf"),
        ("path: ~/m.GGUF", "path:m.GGUF"),
        ("id: org/m, file: in/m.gguf", "hub:org/m/in/m.gguf"),
        ("id: org/m", "hub:org/m"),
        ("package: weights, file: m.gguf", "package:weights==1.0"),
        ("path: runs/m", "path:m"),
    ],
)
def test_a_row_comes_from_where_its_entry_says(entry, source):
    assert faults(entry, source) == set()


@pytest.mark.parametrize(
    ("entry", "source"),
    [
        ("path: weights/m.Q4_1.gguf", "path:m.Q8_0.gguf"),
        ("path: weights/m.Q4_1.gguf", "hub:org/m/m.Q4_1.gguf"),
        ("id: org/m, file: in/m.gguf", "hub:org/m"),
        ("id: org/m, file: in/m.gguf", "hub:org/m/m.gguf"),
        ("id: org/m", "hub:org/m/m.gguf"),
    ],
)
def test_a_row_from_somewhere_else_is_named(entry, source):
    assert faults(entry, source) == {"source"}


@pytest.mark.parametrize(
    ("source", "revision", "fits"),
    [
        ("path:m.gguf", SHA256, True),
        ("path:m.gguf", "folder:0123456789abcdef", False),
        ("path:m", "folder:0123456789abcdef", True),
        ("hub:org/m/m.gguf", COMMIT, True),
        ("hub:org/m/m.gguf", SHA256, False),
    ],
)
def test_a_gguf_of_ones_own_is_known_by_its_content(tmp_path: Path, source, revision, fits):
    row = row_of(source=source, revision=revision)
    named = {fault.column for fault in false_claims(tmp_path / "row.json", row, [])}
    assert ("revision" not in named) == fits
