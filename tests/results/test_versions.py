"""Rows of today, rows of other versions, damaged ones, and files that are something else."""

import json
from pathlib import Path
from typing import Any

import pytest
from folders import read_row
from strategies import row_of

from benchmark.results.row.frame import SCHEMA_VERSION
from benchmark.results.store import Store
from benchmark.results.table import read_rows, read_table
from benchmark.results.versions import Standing, examine, harness_version, inventory, remark, series

MAJOR, MINOR = series(harness_version())
ROW = row_of(agreement=[0.5, 1.0], harness_version=harness_version()).model_dump()
IDENTITY = {name: ROW[name] for name in ("status", "suite", "model", "workload", "configuration")}


def file(folder: Path, content: object, name: str = "oracle-0123abcd.json") -> Path:
    """A file with this content, as JSON unless it is text."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


class TestExamine:
    """What a JSON file is."""

    @pytest.mark.parametrize(
        ("content", "standing", "reason"),
        [
            (ROW, Standing.CURRENT, ""),
            (ROW | {"schema_version": SCHEMA_VERSION - 1}, Standing.STALE, "is of an older version, schema"),
            (IDENTITY | {"schema_version": 1, "gone": 1}, Standing.STALE, "measure the case again"),
            (ROW | {"harness_version": "0.0.9"}, Standing.STALE, "is of an older version, 0.0.9"),
            (ROW | {"harness_version": "unknown"}, Standing.STALE, "is of an older version, unknown"),
            (ROW | {"schema_version": SCHEMA_VERSION + 1}, Standing.FUTURE, "is of a newer version, schema"),
            (IDENTITY | {"schema_version": 99, "new": []}, Standing.FUTURE, "update ExitBench"),
            (
                ROW | {"harness_version": f"{MAJOR}.{MINOR + 1}.0"},
                Standing.FUTURE,
                f"is of a newer version, {MAJOR}.{MINOR + 1}.0",
            ),
            (ROW | {"quality": 1}, Standing.DAMAGED, "field 'quality': unknown column"),
            (ROW | {"tokens": 10**30}, Standing.DAMAGED, "field 'tokens': the number is too large"),
            (ROW | {"layer_bytes": [1, 10**30]}, Standing.DAMAGED, "field 'layer_bytes': the number is too large"),
            (ROW | {"tokens": "many"}, Standing.DAMAGED, "field 'tokens'"),
            (ROW | {"schema_version": str(SCHEMA_VERSION)}, Standing.DAMAGED, "has no status, "),
            (json.dumps(ROW)[:200], Standing.DAMAGED, "is not JSON"),
            (json.dumps(ROW).replace("0.5", "NaN"), Standing.DAMAGED, "field"),
            ("", Standing.DAMAGED, "is not JSON"),
            ("{}", Standing.DAMAGED, "has no status, "),
            ("[" * 100_000, Standing.DAMAGED, "is not JSON"),
        ],
    )
    def test_a_file_called_like_a_row(self, tmp_path: Path, content: object, standing: Standing, reason: str):
        found = examine(file(tmp_path, content))
        assert found.standing == standing
        assert reason in found.reason
        assert "\n" not in found.reason

    @pytest.mark.parametrize("content", ["", "{", "[]", "null", {"name": "x"}, {"schema_version": 1, "model": "x"}])
    def test_a_file_of_something_else(self, tmp_path: Path, content: object):
        assert examine(file(tmp_path, content, "package.json")).standing == Standing.FOREIGN

    def test_a_row_under_another_name_is_a_row(self, tmp_path: Path):
        assert examine(file(tmp_path, ROW, "kept.json")).standing == Standing.CURRENT

    def test_a_patch_release_changes_nothing(self, tmp_path: Path):
        assert examine(file(tmp_path, ROW | {"harness_version": f"{MAJOR}.{MINOR}.999"})).standing == Standing.CURRENT

    def test_text_that_is_none(self, tmp_path: Path):
        path = tmp_path / "oracle-0123abcd.json"
        path.write_bytes(b"\xff\xfe\x00")
        assert examine(path).standing == Standing.DAMAGED

    def test_a_file_that_is_gone(self, tmp_path: Path):
        assert examine(tmp_path / "oracle-0123abcd.json") is None

    def test_the_record_of_an_older_row_is_there_to_be_copied(self, tmp_path: Path):
        assert examine(file(tmp_path, IDENTITY | {"schema_version": 1})).record == IDENTITY | {"schema_version": 1}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """One file of each kind."""
    file(tmp_path, ROW, "oracle-00000000.json")
    file(tmp_path, ROW | {"schema_version": 1}, "oracle-00000001.json")
    file(tmp_path, ROW | {"schema_version": 99}, "oracle-00000002.json")
    file(tmp_path, "{", "oracle-00000003.json")
    (tmp_path / "oracle-00000004.json").symlink_to("oracle-00000000.json")
    file(tmp_path, {}, "package.json")
    (tmp_path / "odd.json").mkdir()
    return tmp_path


class TestFolders:
    """Rows of other versions are not mixed in, and are told of."""

    def test_all_files_in_order(self, mixed: Path):
        assert [found.standing for found in inventory(mixed)] == list(Standing)

    def test_a_row_that_goes_while_the_folder_is_read_is_no_damaged_one(self, tmp_path: Path):
        first, second = (file(tmp_path, ROW, f"oracle-0000000{number}.json") for number in range(2))
        files = inventory(tmp_path)
        assert next(files).path == first
        second.unlink()  # as whoever replaces it does
        assert list(files) == []

    def test_what_links_lead_to_is_no_part_of_a_folder(self, tmp_path: Path):
        (elsewhere := tmp_path / "elsewhere").mkdir()
        file(elsewhere, ROW, "oracle-00000000.json")
        (inside := tmp_path / "results").mkdir()
        (inside / "m").symlink_to("../elsewhere")
        (inside / "oracle-00000000.json").symlink_to("../elsewhere/oracle-00000000.json")
        assert list(read_rows(inside)) == []
        assert remark(inside) == f"{inside}: JSON files not counted: 2 behind links (not followed)"
        (tmp_path / "name").symlink_to("elsewhere")  # the folder that is named may be one
        assert len(list(read_rows(tmp_path / "name"))) == 1

    def test_only_current_rows_are_read(self, mixed: Path):
        assert len(list(read_rows(mixed))) == 1
        assert len(read_table(mixed)) == 1
        assert read_row(mixed / "oracle-00000001.json") is None

    def test_the_others_are_one_line(self, mixed: Path):
        assert remark(mixed) == (
            f"{mixed}: JSON files not counted: 1 of an older version (measure again), "
            "1 of a newer version (update ExitBench), 1 damaged, 1 behind links (not followed), 1 not a row"
        )

    def test_nothing_to_tell(self, tmp_path: Path):
        file(tmp_path, ROW)
        assert remark(tmp_path) is None
        assert remark(tmp_path / "missing") is None

    def test_a_table_with_lists(self, mixed: Path):
        table = read_table(mixed, lists=True)
        assert table["agreement"].to_list() == [[0.5, 1.0]]
        assert "agreement" not in read_table(mixed)

    def test_an_older_row_is_replaced_when_its_case_is_measured(self, tmp_path: Path):
        store = Store(tmp_path)
        path = store.path("tiny", "chat", "oracle", "0123abcd")
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(ROW | {"schema_version": 1}))
        store.write(path, row_of())
        assert examine(path).standing == Standing.CURRENT


@pytest.mark.parametrize(
    ("release", "numbers"), [("0.1.0", (0, 1)), ("1.12.3rc1", (1, 12)), ("2.0", (2, 0)), ("", (0, 0)), ("x", (0, 0))]
)
def test_releases_of_the_same_series_agree(release: str, numbers: Any):
    assert series(release) == numbers
