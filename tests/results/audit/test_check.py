"""`exitbench check`: honest rows pass; what it says, and how it ends. What it finds is in `test_planted_faults.py`."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import run
from folders import read_row
from measured import CLEAN, KINDS, fresh_job, measure
from submissions import FULL, Submission, faulty, honest_world, verdicts

from benchmark.cases.job import run_job
from benchmark.cases.resources import Resources
from benchmark.errors import InputError, MeasurementError
from benchmark.readout.loaded_model import LoadedModel
from benchmark.results.audit.fault import Fault
from benchmark.results.identity import configuration_of
from benchmark.results.row import Row
from benchmark.results.store import Store


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two honest cases, of `tiny` and of `other`."""
    return honest_world(tmp_path_factory.mktemp("world"))


class TestHonestRows:
    """A measured row passes as it is."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_of_each_kind_of_model(self, tmp_path: Path, kind: str):
        measure(tmp_path, kind, **FULL)
        found = verdicts(tmp_path / "results", tmp_path / "models.yaml")
        assert [line for verdict in found for line in verdict.lines()] == []
        assert len(found) == 2  # the row and the table

    @pytest.mark.parametrize(
        "settings", [{"sample": None}, {"signals": "all"}, {"seed": 7, "top_k": 10}, {"alpha": 0.0}, {"tau": (0.5,)}]
    )
    def test_in_any_setting(self, tmp_path: Path, settings: dict[str, Any]):
        measure(tmp_path, **FULL | settings)
        assert faulty(tmp_path / "results") == set()

    @pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
    @pytest.mark.parametrize("kind", ["dense", "encoder"])
    @pytest.mark.parametrize("sampled", [{"sample": None}, {"signals": "all"}])
    def test_in_16_bit_where_logits_are_often_equal(
        self, tmp_path: Path, kind: str, dtype: str, sampled: dict[str, Any]
    ):
        measure(tmp_path, kind, dtype=dtype, top_k=1, **sampled, **FULL)
        assert faulty(tmp_path / "results") == set()

    @pytest.mark.parametrize("kind", KINDS)
    def test_of_a_run_to_try_it_are_only_that(self, tmp_path: Path, kind: str):
        measure(tmp_path, kind, limit=2, max_new_tokens=8)
        assert faulty(tmp_path / "results") == {"limited", "max_new_tokens"}

    def test_that_failed_and_say_why(self, tmp_path: Path, world: Path):
        (path,) = (world / "results" / "tiny").rglob("*.json")
        row = read_row(path)
        assert row is not None
        kept = ("suite", "model", "workload", "configuration", "limited", "alpha", "seed", "started", "accelerator")
        kept += ("harness_version", "harness_commit", "harness_dirty", "torch_version", "transformers_version")
        kept += ("python_version", "platform")
        failed = Row(status="failed", error="logits are NaN", **{name: getattr(row, name) for name in kept})
        failed = failed.model_copy(update={"configuration": configuration_of(failed.model_dump())})
        target = tmp_path / path.parent.relative_to(world) / f"oracle-{failed.configuration}.json"
        Store(tmp_path / "results").write(target, failed)
        assert faulty(tmp_path / "results") == set()

    def test_of_a_part_of_the_folder(self, world: Path):
        (verdict,) = verdicts(world / "results" / "tiny" / "translation")
        assert verdict.ok

    def test_that_a_case_left_when_it_failed(self, tmp_path: Path):
        """What `benchmark.cases.job` writes is what a failed row may have."""
        path = measure(tmp_path, **FULL)
        row = read_row(path)
        assert row is not None
        path.with_suffix(".parquet").unlink()
        path.unlink()
        store, job = Store(tmp_path / "results"), fresh_job(tmp_path, **FULL)
        with pytest.raises(MeasurementError):
            run_job(job, store, resources=OutOfLuck())
        store.update(path, lambda failed: failed.model_copy(update=CLEAN))
        store.write_table()
        assert store.read(path).status == "failed" and store.read(path).revision is not None
        assert faulty(tmp_path / "results", tmp_path / "models.yaml") == set()


class OutOfLuck(Resources):
    """Resources whose model gives no numbers."""

    def model(self, *_: object) -> LoadedModel:
        raise MeasurementError("the logits are NaN from layer 1 of 4 on")


class TestFoldersWithNothingToCheck:
    """One line, and no verdict."""

    def test_a_row_is_no_folder(self, world: Path):
        (path,) = (world / "results" / "tiny").rglob("*.json")
        with pytest.raises(InputError, match=f"is a file; name the folder it lies in: {path.parent}$"):
            verdicts(path)

    @pytest.mark.parametrize("content", ["missing", "empty", "unrelated", "a file"])
    def test_refused(self, tmp_path: Path, content: str):
        folder = tmp_path / "results"
        match content:
            case "empty":
                folder.mkdir()
            case "unrelated":
                folder.mkdir()
                (folder / "package.json").write_text('{"name": "x", "schema_version": 3}')
            case "a file":
                folder.write_text("model\n")
        with pytest.raises(InputError, match=f"^{folder}: ") as error:
            verdicts(folder)
        assert "\n" not in str(error.value)


class TestVerdicts:
    """For people a line, for programs a record."""

    def test_lines_name_file_column_and_both_values(self, tmp_path: Path, world: Path):
        shutil.copytree(world / "results", tmp_path / "results")
        (path,) = (tmp_path / "results" / "tiny").rglob("*.json")
        path.write_text(json.dumps(json.loads(path.read_text()) | {"skip_ratio": 0.987654321}))
        (verdict,) = verdicts(path.parent)
        (line,) = verdict.lines()
        assert line.startswith(f"{path}: skip_ratio: is 0.987654, but its tokens give 0.")
        assert verdict.as_data()["faults"] == [{"column": "skip_ratio", "problem": line.partition("skip_ratio: ")[2]}]

    def test_one_row_does_not_hide_the_others(self, world: Path, monkeypatch: pytest.MonkeyPatch):
        def unthought_of(row: Row, *_: object) -> list[Fault]:
            if row.model == "other":
                raise ZeroDivisionError("of something")
            return []

        monkeypatch.setattr("benchmark.results.audit.check.other_origins", unthought_of)
        lines = {verdict.path.parts[-3]: verdict.lines() for verdict in verdicts(world / "results")}
        assert lines.pop("other")[0].endswith(
            "cannot be checked: ZeroDivisionError: of something; report this, with the file"
        )
        assert set(map(tuple, lines.values())) == {()}

    def test_a_file_named_by_a_stranger_stays_one_line(self, tmp_path: Path):
        odd = tmp_path / "a\n::error::b\x1b[31m-00000000.json"
        odd.write_text("{}")
        (verdict,) = verdicts(tmp_path)
        (line,) = verdict.lines()
        assert line.isprintable()


class TestCommand:
    """What `exitbench check` prints, and how it ends."""

    @pytest.fixture
    def submission(self, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Submission:
        shutil.copytree(world, tmp_path, dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path)
        return Submission(Path())

    def test_an_honest_folder(self, submission: Submission, capsys: pytest.CaptureFixture[str]):
        assert run("check", "results") == 0
        assert capsys.readouterr().out == "files checked: 3, wrong: 0\n"

    def test_a_wrong_row_is_a_line_and_1(self, submission: Submission, capsys: pytest.CaptureFixture[str]):
        submission.edit(harness_dirty=True)
        assert run("check", "results/tiny", "results/other") == 1
        line, count = capsys.readouterr().out.splitlines()
        assert line.startswith(f"{submission.path}: harness_dirty: ")
        assert count == "files checked: 2, wrong: 1"

    def test_a_verdict_for_programs(self, submission: Submission, capsys: pytest.CaptureFixture[str]):
        submission.edit(harness_dirty=True)
        assert run("check", "--json", "results") == 1
        verdict = json.loads(capsys.readouterr().out)
        assert not verdict["ok"]
        wrong = {one["path"]: one["faults"] for one in verdict["verdicts"] if not one["ok"]}
        # `table.csv` has the column as well.
        assert wrong.keys() == {str(submission.path), "results/table.csv"}
        assert [fault["column"] for fault in wrong[str(submission.path)]] == ["harness_dirty"]

    def test_the_model_file_here_is_looked_at(self, submission: Submission, capsys: pytest.CaptureFixture[str]):
        Path("models.yaml").write_text("models:\n- id: lab/tiny\n- {path: other}\n")
        assert run("check", "results") == 1
        assert "source: is 'path:tiny', which is not what the model file says of tiny" in capsys.readouterr().out
        Path("models.yaml").unlink()
        assert run("check", "results") == 0

    def test_another_model_file(self, submission: Submission, capsys: pytest.CaptureFixture[str]):
        Path("models.yaml").rename("mine.yaml")
        assert run("check", "results", "--model-file", "mine.yaml") == 0
        assert run("check", "results", "--model-file", "none.yaml") == 1
        assert capsys.readouterr().err == "exitbench: none.yaml: no such file\n"

    def test_an_empty_folder_is_one_line_and_1(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        assert run("check", tmp_path) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"exitbench: {tmp_path}: holds no rows; ")

    def test_what_has_no_place_there_is_a_line_and_1(self, submission: Submission, capsys: pytest.CaptureFixture[str]):
        Path("results/package.json").write_text("{}")
        assert run("check", "results") == 1
        line, _ = capsys.readouterr().out.splitlines()
        assert line == "results/package.json: is neither a row nor tokens nor the table of the folder; remove it"
