"""What lies in a folder of results by its names and kinds alone."""

import os
from pathlib import Path

import pytest

from benchmark.results.audit.files import given_twice, strays, too_deep
from benchmark.results.folder_scan import paths_below


def told(folder: Path, *rows: str) -> dict[str, str]:
    """What has no place in the folder, and why."""
    verdicts = strays(folder, paths_below(folder), {folder / name for name in rows})
    return {str(verdict.path.relative_to(folder)): verdict.faults[0].problem for verdict in verdicts}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A row, its tokens and the table."""
    (tmp_path / "m" / "w").mkdir(parents=True)
    for name in ("m/w/row.json", "m/w/row.parquet", "table.csv"):
        (tmp_path / name).touch()
    return tmp_path


def test_rows_tokens_and_the_table_have_a_place(folder: Path):
    assert told(folder, "m/w/row.json") == {}


@pytest.mark.parametrize("name", ["run.sh", "m/table.csv", "m/w/note.json", "m/w/.row.json.x1y2.draft", "row.JSON"])
def test_nothing_else_has(folder: Path, name: str):
    (folder / name).touch()
    assert told(folder, "m/w/row.json") == {
        name: "is neither a row nor tokens nor the table of the folder; remove it",
    }


@pytest.mark.parametrize("name", [".table.csv.lock", "m/w/.row.case.lock", "m/w/.row.json.lock"])
def test_the_lock_of_a_killed_run_is_no_stray(folder: Path, name: str):
    (folder / name).write_text("process 1 on elsewhere")
    assert told(folder, "m/w/row.json") == {}
    (folder / name).write_text("a letter " * 100)
    assert list(told(folder, "m/w/row.json")) == [name]


def test_tokens_need_a_row(folder: Path):
    assert told(folder) == {
        "m/w/row.json": "is neither a row nor tokens nor the table of the folder; remove it",
        "m/w/row.parquet": "these tokens have no row; delete them or add the row",
    }


def test_links_and_pipes_are_told_of_by_their_kind(folder: Path):
    (folder / "m" / "elsewhere").symlink_to("/")
    (folder / "m" / "w" / "row.parquet").unlink()
    os.mkfifo(folder / "m" / "w" / "row.parquet")
    assert told(folder, "m/w/row.json") == {
        "m/elsewhere": "is a link, and links are not followed; put the file itself in its place",
        "m/w/row.parquet": "is not a regular file; remove it",
    }


@pytest.mark.parametrize(("name", "faults"), [("row.json", 0), ("m/w/row.json", 0), ("x/m/w/row.json", 1)])
def test_rows_lie_three_deep_at_most(tmp_path: Path, name: str, faults: int):
    assert len(list(too_deep(tmp_path, tmp_path / name))) == faults


@pytest.mark.parametrize(
    ("content", "columns"),
    [(b'{"a": 1, "b": 1}', []), (b'{"a": 1, "b": 1, "a": 1}', ["a"]), (b'{"a": [{"c": 1, "c": 2}]}', ["c"])],
)
def test_a_column_stands_in_a_row_once(content: bytes, columns: list[str]):
    assert [fault.column for fault in given_twice(content)] == columns
