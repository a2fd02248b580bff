"""The store: rows written whole or not at all, and read back whatever else lies in the folder."""

import csv
import hashlib
import json
import os
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from folders import Content, read_row
from pydantic import ValidationError
from strategies import row_of, trace_of

from benchmark.errors import InputError
from benchmark.results.row import Row
from benchmark.results.row.frame import SCHEMA_VERSION
from benchmark.results.store import Store, atomic_file, read_tokens
from benchmark.results.table import read_rows, read_table


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def path(store: Store) -> Path:
    return store.path("tiny", "chat", "oracle", "0123abcd")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class TestWriting:
    """One JSON file a case, its tokens beside it."""

    def test_a_row_comes_back_as_it_was_written(self, store: Store, path: Path):
        row = row_of(skip_ratio=0.1 + 0.2, eas=1e-17, agreement=[0.25, 1.0], family="Ünï ✓", driver=None)
        store.write(path, row)
        assert read_row(path) == row

    def test_a_case_has_a_file_of_its_own(self, store: Store, path: Path):
        store.write(path, row_of())
        assert files(store.folder) == ["tiny/chat/oracle-0123abcd.json"]

    def test_tokens_are_written_beside_the_row_and_hashed_in_it(self, store: Store, path: Path):
        row = store.write(path, row_of(), Content(b"tokens"))
        assert path.with_suffix(".parquet").read_bytes() == b"tokens"
        assert read_row(path) == row
        assert row.token_records_sha256 == hashlib.sha256(b"tokens").hexdigest()

    def test_a_row_replaces_the_one_before(self, store: Store, path: Path):
        store.write(path, row_of(eas=0.25))
        store.write(path, row_of(eas=0.5))
        assert [row.eas for row in read_rows(store.folder)] == [0.5]

    def test_the_file_is_plain_json_that_people_can_read(self, store: Store, path: Path):
        store.write(path, row_of(eas=0.25, family="Ünï"))
        text = path.read_text(encoding="utf-8")
        assert json.loads(text)["eas"] == 0.25
        assert ' "family": "Ünï",\n' in text

    def test_tokens_that_cannot_be_written_leave_the_old_row_and_its_tokens(self, store: Store, path: Path):
        old = store.write(path, row_of(eas=0.25), Content(b"old"))
        with pytest.raises(InputError, match=r"oracle-0123abcd.json: cannot be written: disk full; make room there"):
            store.write(path, row_of(eas=0.5), HalfWritten())
        assert read_row(path) == old
        assert path.with_suffix(".parquet").read_bytes() == b"old"
        assert files(store.folder) == ["tiny/chat/oracle-0123abcd.json", "tiny/chat/oracle-0123abcd.parquet"]

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_a_row_cannot_hold_what_is_no_number(self, value: float):
        with pytest.raises(ValidationError, match="eas"):
            row_of(eas=value)

    def test_nor_can_its_lists(self):
        with pytest.raises(ValidationError, match="agreement"):
            row_of(agreement=[0.5, float("nan")])

    def test_nor_can_a_file(self, store: Store, path: Path):
        store.write(path, row_of(eas=0.25))
        with pytest.raises(ValueError, match="not JSON compliant"):
            store.write(path, row_of().model_copy(update={"eas": float("nan")}))
        assert [row.eas for row in read_rows(store.folder)] == [0.25]
        assert files(store.folder) == ["tiny/chat/oracle-0123abcd.json"]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Inside the block the system refuses to write longer files, as it does on a disk that is full."""
    limits, action = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, action)


class TestNoRoom:
    """A disk that is full, or a folder that is gone: one line, and what was there stays whole."""

    @pytest.mark.parametrize("size", [0, 100, 5000])
    def test_the_row_before_stays_with_its_tokens(self, size: int, store: Store, path: Path):
        old = store.write(path, row_of(eas=0.25), trace_of(np.eye(3, dtype=int)))
        with (
            files_of_at_most(size),
            pytest.raises(InputError, match=rf"{path}: cannot be written: .*; make room there"),
        ):
            store.write(path, row_of(eas=0.5), trace_of(np.ones((2000, 30), dtype=int)))
        assert read_row(path) == old
        read_tokens(path, old)
        assert files(store.folder) == ["tiny/chat/oracle-0123abcd.json", "tiny/chat/oracle-0123abcd.parquet"]

    def test_so_does_the_table(self, store: Store, path: Path):
        store.write(path, row_of(eas=0.25))
        old = store.write_table().read_bytes()
        store.write(path, row_of(eas=0.5))
        with files_of_at_most(100), pytest.raises(InputError, match=r"table\.csv: cannot be written: File too large"):
            store.write_table()
        assert (store.folder / "table.csv").read_bytes() == old

    @pytest.mark.parametrize("part", ["", "tiny", "tiny/chat"])
    def test_a_file_in_the_place_of_a_folder(self, part: str, store: Store, path: Path):
        (store.folder / part).parent.mkdir(parents=True, exist_ok=True)
        (store.folder / part).touch()
        for write in (lambda: store.write(path, row_of()), lambda: store.claim(path).__enter__()):
            with pytest.raises(InputError, match="cannot be written: "):
                write()

    def test_a_folder_that_vanishes_while_a_case_is_held(self, store: Store, path: Path):
        with store.claim(path):
            shutil.rmtree(store.folder)
            store.write(path, row_of())
        assert read_row(path) == row_of()

    def test_an_error_inside_a_claim_stays_what_it_is(self, store: Store, path: Path):
        with pytest.raises(FileNotFoundError, match="weights"), store.claim(path):
            raise FileNotFoundError("weights")


@pytest.mark.parametrize("name", ["~", "http:", "file:", "s3:", "a [b]", "c::d", "*", "-r", "ü\n", "@x"])
def test_a_folder_of_any_name_keeps_all_of_its_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    store = Store(Path(name))
    path = store.path("tiny", "chat", "oracle", "0123abcd")
    row = store.write(path, row_of(), trace_of(np.eye(3, dtype=int)))
    store.write_table()
    assert read_tokens(path, row).num_tokens == 3
    whole = ["table.csv", "tiny/chat/oracle-0123abcd.json", "tiny/chat/oracle-0123abcd.parquet"]
    assert [f"{name}/{file}" for file in whole] == files(tmp_path)
    assert len(read_table(Path(name))) == 1


class HalfWritten:
    """Tokens that do not fit the disk."""

    def write_parquet(self, draft: Path) -> None:
        draft.write_bytes(b"ha")
        raise OSError("disk full")


class TestAtomicFile:
    """A draft that takes the place of the file when all went well."""

    def test_the_draft_becomes_the_file(self, tmp_path: Path):
        with atomic_file(tmp_path / "a.txt") as draft:
            draft.write_text("new")
        assert (tmp_path / "a.txt").read_text() == "new"
        assert files(tmp_path) == ["a.txt"]

    def test_until_then_the_old_file_is_there(self, tmp_path: Path):
        (tmp_path / "a.txt").write_text("old")
        with atomic_file(tmp_path / "a.txt") as draft:
            draft.write_text("new")
            assert (tmp_path / "a.txt").read_text() == "old"

    @pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
    def test_a_writer_that_raises_leaves_the_old_file_and_no_draft(self, tmp_path: Path, error: type[BaseException]):
        (tmp_path / "a.txt").write_text("old")
        with pytest.raises(error), atomic_file(tmp_path / "a.txt") as draft:
            draft.write_text("ne")
            raise error
        assert (tmp_path / "a.txt").read_text() == "old"
        assert files(tmp_path) == ["a.txt"]

    def test_who_is_reading_the_old_file_reads_it_to_the_end(self, tmp_path: Path):
        (tmp_path / "a.txt").write_text("old")
        with (tmp_path / "a.txt").open() as reader:
            with atomic_file(tmp_path / "a.txt") as draft:
                draft.write_text("new")
            assert reader.read() == "old"

    def test_a_draft_is_no_row(self, store: Store, path: Path):
        path.parent.mkdir(parents=True)
        with atomic_file(path) as draft:
            draft.write_text(row_of().model_dump_json())
            assert list(read_rows(store.folder)) == []

    def test_the_file_is_as_readable_as_any_other(self, tmp_path: Path):
        before = os.umask(0o022)
        try:
            with atomic_file(tmp_path / "a.txt") as draft:
                draft.write_text("new")
        finally:
            os.umask(before)
        assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644


class TestNames:
    """A name can lead nowhere else."""

    def test_a_path_tells_the_case(self, store: Store):
        path = store.path("Qwen3-8B@step1", "gsm8k", "oracle", "0123abcd")
        assert path.relative_to(store.folder) == Path("Qwen3-8B@step1/gsm8k/oracle-0123abcd.json")

    @pytest.mark.parametrize("name", ["../tiny", "..", ".", "", "a/b", "/etc", "a\\b", "a\0b"])
    @pytest.mark.parametrize("place", range(4), ids=["model", "workload", "suite", "configuration"])
    def test_refused(self, store: Store, name: str, place: int):
        names = ["tiny", "chat", "oracle", "0123abcd"]
        names[place] = name
        with pytest.raises(InputError, match="results cannot be filed under the name"):
            store.path(*names)


class TestReading:
    """What is no row is passed over."""

    def test_rows_come_in_the_order_of_their_files(self, store: Store):
        for name in ("b", "a", "c"):
            store.write(store.path(name, "chat", "oracle", "0123abcd"), row_of(model=name))
        assert [row.model for row in read_rows(store.folder)] == ["a", "b", "c"]

    def test_a_missing_file_has_no_row(self, path: Path):
        assert read_row(path) is None

    def test_a_missing_folder_has_no_rows(self, store: Store):
        assert list(read_rows(store.folder)) == []

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{}",
            b"[]",
            b"null",
            b'{"status": "ok", "model": "tiny"}',
            b'{"unrelated": [1, 2, 3]}',
            row_of().model_dump_json().encode()[:-20],
            b"\xff\xfe\x00",
        ],
        ids=["empty", "no-fields", "a-list", "null", "few-fields", "unrelated", "half-written", "no-text"],
    )
    def test_a_file_that_is_no_row_is_passed_over(self, store: Store, path: Path, content: bytes):
        store.write(store.path("other", "chat", "oracle", "0123abcd"), row_of(model="other"))
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        assert read_row(path) is None
        assert [row.model for row in read_rows(store.folder)] == ["other"]

    @pytest.mark.parametrize("change", [{"new_column": 1}, {"schema_version": SCHEMA_VERSION + 1}])
    def test_a_row_of_another_schema_is_passed_over(self, path: Path, change: dict[str, int]):
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(row_of().model_dump() | change))
        assert read_row(path) is None

    def test_a_folder_that_is_called_like_a_row_is_passed_over(self, store: Store):
        (store.folder / "odd.json").mkdir(parents=True)
        assert list(read_rows(store.folder)) == []


class TestTokens:
    """The tokens beside a row are those it was computed from, or an error."""

    def test_they_come_back(self, store: Store, path: Path):
        row = store.write(path, row_of(), trace_of([[3, 7]]))
        assert read_tokens(path, row).target.tolist() == [7]

    def test_a_row_written_again_keeps_them(self, store: Store, path: Path):
        row = store.write(path, row_of(), trace_of([[3, 7]]))
        again = store.write(path, row.model_copy(update={"eas": 0.5}))
        assert read_tokens(path, again).target.tolist() == [7]

    def test_missing_ones_are_told(self, store: Store, path: Path):
        row = store.write(path, row_of())
        with pytest.raises(InputError, match=r"oracle-0123abcd\.parquet: No such file or directory; measure"):
            read_tokens(path, row)

    def test_others_are_refused(self, store: Store, path: Path):
        row = store.write(path, row_of(), trace_of([[3, 7]]))
        trace_of([[3, 8]]).write_parquet(path.with_suffix(".parquet"))
        with pytest.raises(InputError, match=r"not the tokens that oracle-0123abcd\.json was computed"):
            read_tokens(path, row)


class TestTable:
    """`table.csv`, for people who would rather not open a hundred files."""

    @pytest.fixture
    def table(self, store: Store) -> list[dict[str, str]]:
        ok = row_of(model="a", skip_ratio=0.25, agreement=[0.5, 1.0], limited=True)
        failed = row_of(model="b", status="failed", error='logits are NaN, "all" of them', tokens=None)
        for row in (ok, failed):
            store.write(store.path(row.model, "chat", "oracle", "0123abcd"), row)
        with store.write_table().open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))

    def test_it_has_every_row(self, table: list[dict[str, str]]):
        assert [(row["model"], row["status"]) for row in table] == [("a", "ok"), ("b", "failed")]

    def test_it_has_everything_but_what_is_told_layer_by_layer_or_group_by_group(self, table: list[dict[str, str]]):
        declared = {name: str(field.annotation) for name, field in Row.model_fields.items()}
        lists = {name for name, annotation in declared.items() if "list[" in annotation}
        assert {"agreement", "layer_kind", "half_agreement", "tau", "word_position_tokens"} <= lists
        assert set(table[0]) == set(declared) - lists

    def test_its_numbers_are_those_of_the_row(self, table: list[dict[str, str]]):
        assert (table[0]["skip_ratio"], table[0]["limited"]) == ("0.25", "True")

    def test_what_was_not_measured_is_empty(self, table: list[dict[str, str]]):
        assert (table[1]["skip_ratio"], table[1]["tokens"]) == ("", "")

    def test_text_stays_in_its_cell(self, table: list[dict[str, str]]):
        assert table[1]["error"] == 'logits are NaN, "all" of them'

    def test_whole_numbers_stay_whole_beside_a_case_that_failed(self, table: list[dict[str, str]]):
        assert table[0]["tokens"] == "20"

    def test_it_is_rewritten_from_the_rows(self, store: Store, path: Path):
        store.write(path, row_of(eas=0.25))
        store.write_table()
        store.write(path, row_of(eas=0.5))
        with store.write_table().open(encoding="utf-8") as lines:
            assert [row["eas"] for row in csv.DictReader(lines)] == ["0.5"]

    def test_a_folder_without_rows_gives_the_names_of_the_columns(self, store: Store):
        store.check_writable()
        table = read_table(store.folder)
        assert len(table) == 0
        assert {"model", "skip_ratio"} <= set(table.columns)


class TestCheckWritable:
    """A wrong folder is noticed before anything is measured."""

    def test_it_makes_the_folder_and_leaves_nothing_in_it(self, tmp_path: Path):
        Store(tmp_path / "new" / "results").check_writable()
        assert list((tmp_path / "new" / "results").iterdir()) == []

    def test_a_folder_that_is_there_will_do(self, tmp_path: Path):
        Store(tmp_path).check_writable()

    @pytest.mark.parametrize("below", ["", "results", "results/local"])
    def test_a_path_at_or_below_a_file_is_refused_with_the_reason(self, tmp_path: Path, below: str):
        (tmp_path / "file").write_text("in the way")
        folder = tmp_path / "file" / below
        with pytest.raises(InputError) as error:
            Store(folder).check_writable()
        message = str(error.value)
        assert message.startswith(f"--results-dir: cannot write to {folder}: ")
        assert message.endswith("; name another folder")
