"""`exitbench merge`: results of several machines in one folder."""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from commands import run
from folders import Content, read_row
from strategies import row_of

from benchmark.errors import InputError
from benchmark.results.merge import Merged, Outcome, merge
from benchmark.results.row.frame import SCHEMA_VERSION
from benchmark.results.store import Store, sha256
from benchmark.results.table import read_rows

NAMES = ("tiny", "chat", "oracle", "0123abcd")


def write(folder: Path, tokens: bytes | None = b"tokens", **columns: Any) -> Path:
    """A row and, unless there are none, its tokens."""
    row = row_of(**columns)
    store = Store(folder)
    path = store.path(row.model, row.workload, row.suite, row.configuration)
    store.write(path, row, None if tokens is None else Content(tokens))
    return path


def edit(path: Path, **columns: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | columns))


def outcomes(into: Path, *sources: Path) -> list[Outcome]:
    return [merged.outcome for merged in merge(into, sources)]


def content(folder: Path) -> dict[str, bytes]:
    """Every row and every token file of a folder."""
    files = [path for path in folder.rglob("*.*") if path.suffix in (".json", ".parquet")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "all"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "machine"


class TestRowsOfOtherMachines:
    """Rows are copied with their tokens, as they are."""

    def test_folders_come_together(self, tmp_path: Path, into: Path):
        for number in range(3):
            write(tmp_path / f"machine{number}", model=f"model-{number}", tokens=f"tokens {number}".encode())
        sources = [tmp_path / f"machine{number}" for number in range(3)]
        assert outcomes(into, *sources) == [Outcome.COPIED] * 3
        assert content(into) == {name: data for source in sources for name, data in content(source).items()}

    def test_the_table_has_all_of_them(self, tmp_path: Path, into: Path, source: Path):
        write(into, model="a")
        write(source, model="b")
        outcomes(into, source)
        assert pd.read_csv(into / "table.csv")["model"].to_list() == ["a", "b"]

    def test_a_second_time_nothing_happens(self, into: Path, source: Path):
        write(source)
        outcomes(into, source)
        before = content(into)
        assert outcomes(into, source) == [Outcome.SAME]
        assert content(into) == before

    def test_the_same_row_written_with_other_spaces_is_the_same(self, into: Path, source: Path):
        write(source)
        edit(write(into))
        assert outcomes(into, source) == [Outcome.SAME]

    def test_a_failed_case_comes_without_tokens(self, into: Path, source: Path):
        write(source, tokens=None, status="failed", error="NaN")
        assert outcomes(into, source) == [Outcome.COPIED]

    def test_tokens_that_were_lost_are_copied_again(self, into: Path, source: Path):
        write(source)
        write(into).with_suffix(".parquet").unlink()
        assert outcomes(into, source) == [Outcome.COPIED]
        assert content(into) == content(source)

    def test_rows_of_an_older_schema_are_kept_as_they_are(self, into: Path, source: Path):
        edit(write(source), schema_version=1, gone=True)
        assert outcomes(into, source) == [Outcome.COPIED]
        assert content(into) == content(source)
        assert list(read_rows(into)) == []

    def test_without_other_folders_the_table_is_written_anew(self, into: Path):
        write(into)
        assert outcomes(into) == []
        assert len(pd.read_csv(into / "table.csv")) == 1


class TestRowsOfTheSameName:
    """The newer version wins, and a good case over a failed one; the loser is named."""

    @pytest.mark.parametrize(
        ("old", "new", "outcome"),
        [
            ({"schema_version": SCHEMA_VERSION - 1}, {}, Outcome.REPLACED),
            ({}, {"schema_version": SCHEMA_VERSION - 1}, Outcome.LEFT_OUT),
            ({"schema_version": SCHEMA_VERSION - 1}, {"schema_version": SCHEMA_VERSION + 1}, Outcome.REPLACED),
            ({"schema_version": SCHEMA_VERSION + 1}, {}, Outcome.LEFT_OUT),
            ({"harness_version": "0.0.1"}, {}, Outcome.REPLACED),
            ({}, {"harness_version": "0.0.1"}, Outcome.LEFT_OUT),
            ({"status": "failed", "error": "NaN"}, {}, Outcome.REPLACED),
            ({}, {"status": "failed", "error": "NaN"}, Outcome.LEFT_OUT),
            ({"status": "failed", "error": "NaN"}, {"status": "failed", "error": "memory"}, Outcome.LEFT_OUT),
            ({"experiments": ["exits"]}, {"experiments": ["exits", "bounds"], "eas": 0.5}, Outcome.REPLACED),
            ({"experiments": ["exits", "bounds"], "eas": 0.5}, {"experiments": ["exits"]}, Outcome.LEFT_OUT),
        ],
    )
    def test_one_wins(self, into: Path, source: Path, old: dict[str, Any], new: dict[str, Any], outcome: Outcome):
        there, other = write(into), write(source)
        edit(there, **old)
        edit(other, **new)
        before = {folder: content(folder) for folder in (into, source)}
        (merged,) = merge(into, [source])
        assert (merged.path, merged.outcome) == (other, outcome)
        assert str(there) in merged.text
        assert content(into) == before[source if outcome == Outcome.REPLACED else into]
        assert content(source) == before[source]

    def test_the_winner_brings_its_tokens(self, into: Path, source: Path):
        edit(write(into, b"old"), schema_version=1)
        write(source, b"new")
        outcomes(into, source)
        (path,) = into.rglob("*.parquet")
        assert path.read_bytes() == b"new"

    def test_a_damaged_file_is_replaced(self, into: Path, source: Path):
        path = write(into)
        path.write_bytes(path.read_bytes()[:100])
        write(source)
        (merged,) = merge(into, [source])
        assert merged.outcome == Outcome.REPLACED
        assert f"{path}, which is not JSON" in merged.text
        assert content(into) == content(source)


class TestConflicts:
    """Two different measurements: the row that is there stays, and a person decides."""

    @pytest.fixture
    def conflict(self, into: Path, source: Path) -> Merged:
        write(into, b"one", eas=0.25)
        write(source, b"other", eas=0.5)
        self.before = content(into)
        (merged,) = merge(into, [source])
        return merged

    def test_nothing_is_overwritten(self, conflict: Merged, into: Path):
        assert content(into) == self.before

    def test_both_are_named(self, conflict: Merged, into: Path, source: Path):
        assert conflict.outcome == Outcome.CONFLICT
        assert not conflict.outcome.settled
        assert conflict.path == Store(source).path(*NAMES)
        assert str(Store(into).path(*NAMES)) in conflict.text

    def test_two_sources_can_be_in_conflict_as_well(self, tmp_path: Path, into: Path):
        for number in range(2):
            write(tmp_path / f"machine{number}", generate_seconds=float(number))
        found = outcomes(into, tmp_path / "machine0", tmp_path / "machine1")
        assert found == [Outcome.COPIED, Outcome.CONFLICT]

    def test_a_row_with_more_experiments_but_another_number_is_one(self, into: Path, source: Path):
        write(into, experiments=["exits"], skip_ratio=0.25)
        write(source, experiments=["exits", "suitability"], skip_ratio=0.5, eas=0.5)
        assert outcomes(into, source) == [Outcome.CONFLICT]

    @pytest.mark.parametrize("newer", [{"schema_version": SCHEMA_VERSION + 1}, {"harness_version": "99.0.0"}])
    def test_a_row_that_this_version_cannot_read_takes_no_place(self, into: Path, source: Path, newer: dict[str, Any]):
        write(into)
        edit(write(source), **newer)
        before = content(into)
        (merged,) = merge(into, [source])
        assert merged.outcome == Outcome.CONFLICT
        assert merged.text.endswith("; update ExitBench and merge again")
        assert content(into) == before

    @pytest.mark.parametrize(
        ("tokens", "experiments"), [(b"other", ["bounds", "exits"]), (b"tokens", ["exits"]), (b"tokens", ["bounds"])]
    )
    def test_a_row_has_more_experiments_only_of_the_same_tokens(
        self, into: Path, source: Path, tokens: bytes, experiments: list[str]
    ):
        write(into, experiments=["exits"])
        write(source, tokens, experiments=experiments, eas=0.5)
        assert outcomes(into, source) == [Outcome.CONFLICT]


class TestRefusedRows:
    """What cannot be trusted is not copied, and named."""

    @pytest.mark.parametrize(
        ("act", "text"),
        [
            (lambda path: path.with_suffix(".parquet").unlink(), "cannot be read: No such file"),
            (lambda path: path.with_suffix(".parquet").write_bytes(b"x"), "holds other tokens"),
            (lambda path: edit(path, token_records_sha256=None), "holds other tokens"),
            (lambda path: path.write_bytes(path.read_bytes()[:100]), "is not JSON"),
            (lambda path: edit(path, quality=1), "field 'quality': unknown column"),
            (lambda path: edit(path, model="other"), "belongs at other/chat/oracle-0123abcd.json"),
            (lambda path: edit(path, configuration="00000000"), "belongs at tiny/chat/oracle-00000000.json"),
            (lambda path: edit(path, model="../../../etc"), "cannot be filed under the name"),
            (lambda path: edit(path, model="<b>tiny</b>"), "cannot be filed under the name"),
            (lambda path: edit(path, workload=".."), "cannot be filed under the name"),
            (lambda path: edit(path, schema_version=99, suite="a/../../b"), "cannot be filed under the name"),
        ],
    )
    def test_refused(self, tmp_path: Path, into: Path, source: Path, act: Any, text: str):
        write(source, model="good")
        path = write(source)
        act(path)
        by_path = {merged.path: merged for merged in merge(into, [source])}
        refused = by_path.pop(path)
        assert refused.outcome == Outcome.REFUSED
        assert text in refused.text
        assert [merged.outcome for merged in by_path.values()] == [Outcome.COPIED]
        assert [row.model for row in read_rows(into)] == ["good"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["all", "machine"]

    @pytest.mark.parametrize("suffix", [".json", ".parquet"])
    @pytest.mark.parametrize("kind", ["link", "pipe", "device"])
    def test_what_is_no_file_is_not_read(self, tmp_path: Path, into: Path, source: Path, suffix: str, kind: str):
        write(source, model="good")
        path = write(source).with_suffix(suffix)
        path.rename(tmp_path / "elsewhere")
        match kind:
            case "link":
                path.symlink_to(tmp_path / "elsewhere")
            case "pipe":
                os.mkfifo(path)
            case "device":
                path.symlink_to("/dev/zero")
        found = {merged.path: merged for merged in merge(into, [source])}
        refused = found.pop(path.with_suffix(".json"))
        assert refused.outcome == Outcome.REFUSED
        assert "is a link" in refused.text or "is not a regular file" in refused.text
        assert [merged.outcome for merged in found.values()] == [Outcome.COPIED]

    @pytest.mark.parametrize("place", ["tiny", "tiny/chat"])
    def test_nothing_is_written_through_a_linked_folder(self, tmp_path: Path, into: Path, source: Path, place: str):
        write(source)
        (tmp_path / "elsewhere").mkdir()
        (into / place).parent.mkdir(parents=True)
        (into / place).symlink_to(tmp_path / "elsewhere")
        (merged,) = merge(into, [source])
        assert merged.outcome == Outcome.REFUSED
        assert f"{into / 'tiny' / 'chat'} is a link, or lies behind one" in merged.text
        assert list((tmp_path / "elsewhere").iterdir()) == []

    @pytest.mark.parametrize("name", [".oracle-0123abcd.json.lock", "oracle-0123abcd.json", "oracle-0123abcd.parquet"])
    def test_nothing_is_written_through_a_linked_file(self, tmp_path: Path, into: Path, source: Path, name: str):
        write(source)
        (into / "tiny" / "chat").mkdir(parents=True)
        (into / "tiny" / "chat" / name).symlink_to(tmp_path / "made")
        (merged,) = merge(into, [source])
        assert merged.outcome == Outcome.REFUSED
        assert f"{name} is a link" in merged.text
        assert not (tmp_path / "made").exists()

    def test_json_of_something_else_is_passed_over(self, into: Path, source: Path):
        write(source)
        (source / "package.json").write_text('{"name": "x"}')
        assert outcomes(into, source) == [Outcome.COPIED]
        assert not (into / "package.json").exists()


class TestFolders:
    """Wrong folders are one line, and nothing is touched."""

    @pytest.mark.parametrize("given", ["missing", "empty", "unrelated", "file", "all", "all/tiny", "."])
    def test_refused(self, tmp_path: Path, into: Path, given: str):
        write(into)
        (tmp_path / "empty").mkdir()
        (tmp_path / "unrelated").mkdir()
        (tmp_path / "unrelated" / "package.json").write_text("{}")
        (tmp_path / "file").write_text("model\n")
        before = content(into)
        with pytest.raises(InputError, match=f"^{tmp_path / given}: ") as error:
            outcomes(into, tmp_path / given)
        assert "\n" not in str(error.value)
        assert content(into) == before

    def test_a_mistyped_folder_is_not_made(self, into: Path):
        with pytest.raises(InputError, match=f"^{into}: no such folder; "):
            outcomes(into)
        assert not into.exists()

    def test_a_folder_that_cannot_be_written_is_named_as_it_was_given(self, tmp_path: Path, source: Path):
        write(source)
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match=f"^INTO: cannot write to {tmp_path / 'file'}: "):
            outcomes(tmp_path / "file", source)

    def test_a_good_folder_beside_a_wrong_one_is_not_begun(self, tmp_path: Path, into: Path, source: Path):
        write(source)
        with pytest.raises(InputError):
            outcomes(into, source, tmp_path / "missing")
        assert not into.exists()


class TestCommand:
    """What `exitbench merge` prints, and how it ends."""

    def test_counts(self, into: Path, source: Path, capsys: pytest.CaptureFixture[str]):
        write(source)
        write(source, model="other")
        assert run("merge", into, source) == 0
        assert capsys.readouterr().out == f"{into}: copied 2\n"

    def test_a_conflict_is_a_line_and_1(self, into: Path, source: Path, capsys: pytest.CaptureFixture[str]):
        write(into, b"one")
        path = write(source, b"other")
        assert run("merge", into, source) == 1
        line, count = capsys.readouterr().out.splitlines()
        assert line.startswith(f"{path}: in conflict: is another measurement than ")
        assert count == f"{into}: in conflict 1"

    def test_a_file_named_by_a_stranger_stays_one_line(
        self, into: Path, source: Path, capsys: pytest.CaptureFixture[str]
    ):
        write(source)
        (source / "a\n::error::b\x1b[31m-00000000.json").write_text("{}")
        assert run("merge", into, source) == 1
        line, count = capsys.readouterr().out.splitlines()
        assert "a�::error::b�[31m-00000000.json: refused: " in line
        assert count == f"{into}: refused 1, copied 1"

    def test_a_row_that_loses_is_a_line_and_0(self, into: Path, source: Path, capsys: pytest.CaptureFixture[str]):
        edit(write(into), schema_version=1)
        write(source)
        assert run("merge", into, source) == 0
        line, _ = capsys.readouterr().out.splitlines()
        assert f"took the place of {Store(into).path(*NAMES)}: of a newer schema" in line

    def test_what_is_no_row_is_told_in_one_line(self, into: Path, source: Path, capsys: pytest.CaptureFixture[str]):
        write(source)
        (source / "package.json").write_text("{}")
        assert run("merge", into, source) == 0
        assert capsys.readouterr().err == f"{source}: JSON files not counted: 1 not a row\n"

    def test_a_missing_folder_is_one_line_and_1(self, into: Path, source: Path, capsys: pytest.CaptureFixture[str]):
        assert run("merge", into, source) == 1
        assert capsys.readouterr().err.startswith(f"exitbench: {source}: no such folder")


def test_what_was_merged_can_be_read(into: Path, source: Path):
    write(source, eas=0.25)
    outcomes(into, source)
    row = read_row(Store(into).path(*NAMES))
    assert row is not None
    assert row.eas == 0.25
    assert row.token_records_sha256 == sha256(Store(into).path(*NAMES).with_suffix(".parquet"))


class TestLimitedRows:
    """They are taken, and it is told what they are."""

    @pytest.mark.parametrize(("limits", "told"), [((True,), "1 is"), ((True, False, True), "2 are")])
    def test_how_many_there_are(self, limits, told, source: Path, into: Path, capsys: pytest.CaptureFixture[str]):
        for number, limited in enumerate(limits):
            write(source, configuration=f"0000000{number}", limited=limited)
        assert run("merge", into, source) == 0
        assert f"of these taken, {told} of a limited run, not of all prompts" in capsys.readouterr().out
        assert run("merge", into, source) == 0
        assert "limited" not in capsys.readouterr().out

    def test_full_runs_are_not_told_of(self, source: Path, into: Path, capsys: pytest.CaptureFixture[str]):
        write(source, limited=False)
        assert run("merge", into, source) == 0
        assert "limited" not in capsys.readouterr().out
