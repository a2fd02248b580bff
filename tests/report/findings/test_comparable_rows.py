"""Which rows of a folder are compared, and what is said of the others."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from folders import write_case

from benchmark.errors import InputError
from benchmark.report.findings.comparable_rows import Comparable, comparable, read
from benchmark.results.row import Row

Write = Callable[..., Row]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes cases into `tmp_path`, each into a file of its own."""

    def write(model: str, workload: str = "chat", gain: float = 0.3, **columns: Any) -> Row:
        number = len(list(tmp_path.rglob("*.json")))
        return write_case(tmp_path, model, workload, gain, **{"configuration": f"{number:08}"} | columns)

    return write


def rows_of(folder: Path) -> pd.DataFrame:
    return read(folder)[0]


def choose(folder: Path) -> Comparable:
    return comparable(rows_of(folder))


def cases(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return sorted(zip(rows["model"], rows["workload"], strict=True))


class TestReading:
    """Rows are found wherever they lie, and nothing else is."""

    def test_a_missing_folder_is_named(self, tmp_path: Path):
        with pytest.raises(InputError, match=r"nowhere: no such folder"):
            read(tmp_path / "nowhere")

    def test_a_file_is_no_folder(self, tmp_path: Path):
        (tmp_path / "table.csv").write_text("model\n")
        with pytest.raises(InputError, match=r"table\.csv: no such folder"):
            read(tmp_path / "table.csv")

    def test_an_empty_folder_tells_how_to_measure(self, tmp_path: Path):
        with pytest.raises(InputError, match=r"holds no rows; measure with: pytest suites/ --results-dir"):
            read(tmp_path)

    def test_other_json_is_counted(self, tmp_path: Path):
        (tmp_path / "package.json").write_text('{"name": "x"}')
        (tmp_path / "deep.json").write_text("[" * 100_000)
        (tmp_path / "folder.json").mkdir()
        with pytest.raises(InputError, match=r"holds no rows, JSON files not counted: 2 not a row; measure with: "):
            read(tmp_path)

    def test_rows_among_other_files_are_read(self, tmp_path: Path, write: Write):
        write("one")
        (tmp_path / "one" / "chat" / "broken.json").write_bytes(b"\xff{")
        assert cases(rows_of(tmp_path)) == [("one", "chat")]

    def test_folders_of_results_may_lie_side_by_side(self, tmp_path: Path):
        write_case(tmp_path / "published", "one", "chat", 0.3)
        write_case(tmp_path / "local", "two", "chat", 0.3)
        assert cases(rows_of(tmp_path)) == [("one", "chat"), ("two", "chat")]


class TestChoice:
    """One row a model and workload, full runs in one setting; the rest is counted."""

    @pytest.mark.parametrize(
        ("columns", "reason"),
        [
            ({"status": "failed", "error": "NaN logits"}, "failed"),
            ({"skip_ratio": None}, "failed"),
            ({"limited": True}, "limited, not the prompts of a full run"),
            ({"architecture": "encoder"}, "of an encoder or encoder-decoder model"),
            ({"quantization": "4bit"}, "quantized while loading"),
            ({"alpha": 0.3}, "of another alpha than most"),
            ({"prompts_sha256": "others"}, "of other prompts or another number of new tokens than most"),
            ({"max_new_tokens": 4}, "of other prompts or another number of new tokens than most"),
        ],
    )
    def test_a_row_that_cannot_be_compared_is_left_out(
        self, tmp_path: Path, write: Write, columns: dict[str, Any], reason: str
    ):
        write("one")
        write("two")
        write("three", **columns)
        found = choose(tmp_path)
        assert cases(found.rows) == [("one", "chat"), ("two", "chat")]
        assert found.left_out == {reason: 1}

    def test_rows_without_a_limit_of_new_tokens_are_asked_alike(self, tmp_path: Path, write: Write):
        for model in ("one", "two"):
            write(model, max_new_tokens=None)
        assert cases(choose(tmp_path).rows) == [("one", "chat"), ("two", "chat")]

    def test_encoders_decide_with_the_others_what_is_usual(self, tmp_path: Path, write: Write):
        for number in range(2):
            write(f"encoder{number}", architecture="encoder", alpha=0.3)
        write("one")
        assert choose(tmp_path).left_out == {
            "of an encoder or encoder-decoder model": 2,
            "of another alpha than most": 1,
        }

    def test_of_several_dtypes_of_a_model_the_one_with_most_workloads_is_taken(self, tmp_path: Path, write: Write):
        write("one", "chat", dtype="float32")
        write("one", "chat")
        write("one", "code")
        found = choose(tmp_path)
        assert found.rows["dtype"].tolist() == ["bfloat16", "bfloat16"]
        assert found.left_out == {"of another dtype or revision of the same model": 1}
        assert found.notes == ["one in bfloat16, not float32"]

    def test_of_dtypes_with_as_many_workloads_the_one_of_other_models_is_taken(self, tmp_path: Path, write: Write):
        write("one", dtype="bfloat16", started="2026-01-01T00:00:00+00:00")
        write("one", dtype="float32", started="2026-02-01T00:00:00+00:00")
        write("two", dtype="bfloat16")
        assert set(choose(tmp_path).rows["dtype"]) == {"bfloat16"}

    def test_one_revision_of_a_model_is_taken(self, tmp_path: Path, write: Write):
        for workload in ("chat", "code"):
            write("one", workload, revision="new")
        write("one", "math", revision="old")
        assert set(choose(tmp_path).rows["revision"]) == {"new"}

    def test_of_two_runs_of_a_case_the_newer_one_is_taken(self, tmp_path: Path, write: Write):
        write("one", gain=0.4, batch_size=1, started="2026-02-01T00:00:00+00:00")
        write("one", gain=0.2, batch_size=16, started="2026-01-01T00:00:00+00:00")
        found = choose(tmp_path)
        assert found.rows["skip_ratio"].tolist() == [0.4]
        assert found.left_out == {"older than a row of the same model and workload": 1}

    def test_every_row_is_compared_or_counted(self, tmp_path: Path, write: Write):
        rng = np.random.default_rng(0)
        for _ in range(60):
            model, workload, dtype = (rng.choice(choices) for choices in (["one", "two"], ["a", "b"], ["x", "y"]))
            write(str(model), str(workload), dtype=str(dtype), limited=bool(rng.random() < 0.2))
        found = choose(tmp_path)
        assert len(found.rows) + sum(found.left_out.values()) == 60
        assert not found.rows.duplicated(["model", "workload"]).any()


class TestCheckpoints:
    """A model is compared as it was released; its training is a question of its own."""

    @pytest.fixture(params=["hub:lab/model", "path:runs/model"])
    def trained(self, write: Write, request: pytest.FixtureRequest) -> Callable[..., None]:
        """Writes checkpoints of one model."""

        def trained(*steps: int | None) -> None:
            for step in steps:
                name = f"step{step}"
                folder = f"/{name}" if request.param.startswith("path:") else ""
                write(f"model@{name}", source=f"{request.param}{folder}", checkpoint=name, training_step=step)

        return trained

    def test_the_last_checkpoint_stands_for_the_model(self, tmp_path: Path, trained: Callable[..., None]):
        trained(1000, 64000, 16000)
        found = choose(tmp_path)
        assert cases(found.rows) == [("model@step64000", "chat")]
        assert found.left_out == {}

    def test_all_checkpoints_belong_to_one_model(self, tmp_path: Path, trained: Callable[..., None]):
        trained(1000, 64000, 16000)
        checkpoints = choose(tmp_path).checkpoints
        assert checkpoints["entry"].nunique() == 1
        assert sorted(checkpoints["training_step"]) == [1000, 16000, 64000]

    def test_a_released_model_stands_for_itself(self, tmp_path: Path, write: Write):
        write("model@step9", source="hub:lab/model", checkpoint="step9", training_step=9)
        write("model", source="hub:lab/model")
        assert cases(choose(tmp_path).rows) == [("model", "chat")]

    def test_a_checkpoint_without_a_step_is_left_out(self, tmp_path: Path, trained: Callable[..., None]):
        trained(1000, None)
        found = choose(tmp_path)
        assert cases(found.rows) == [("model@step1000", "chat")]
        assert found.left_out == {"of a training checkpoint without a step": 1}


def test_a_copy_of_a_folder_counts_once(tmp_path: Path):
    write_case(tmp_path / "local", "one", "chat", 0.3)
    shutil.copytree(tmp_path / "local", tmp_path / "published")
    assert len(choose(tmp_path).rows) == 1
