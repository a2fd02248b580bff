"""Which rows of a folder are compared, and what is said of the others."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from folders import LAYERS, PROMPTS, write_case
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import InputError
from benchmark.report.findings.comparable_rows import Comparable, comparable, read
from benchmark.report.findings.levels import levels, prompt_depths
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


class TestLineages:
    """A base model and all that was made from it are one lineage."""

    def of_models(self, folder: Path) -> dict[str, str]:
        rows = choose(folder).rows
        return dict(zip(rows["model"], rows["lineage"], strict=True))

    def test_it_is_followed_from_model_to_model(self, tmp_path: Path, write: Write):
        write("base")
        write("continued", stage="continued", base_model="lab/base")
        write("instruct", stage="instruct", base_model="lab/continued")
        write("other")
        assert self.of_models(tmp_path) == {
            **dict.fromkeys(("base", "continued", "instruct"), "hub:lab/base"),
            "other": "hub:lab/other",
        }

    def test_it_may_begin_with_a_model_that_was_not_measured(self, tmp_path: Path, write: Write):
        write("one", stage="instruct", base_model="lab/base")
        write("two", stage="distilled", base_model="lab/base")
        assert set(self.of_models(tmp_path).values()) == {"hub:lab/base"}

    def test_entries_of_the_same_weights_are_of_one(self, tmp_path: Path, write: Write):
        write("one", source="hub:lab/model", revision="new")
        write("two", source="hub:lab/model", revision="old")
        assert len(set(self.of_models(tmp_path).values())) == 1

    def test_models_of_unknown_source_are_of_their_own(self, tmp_path: Path, write: Write):
        write("one", source=None)
        write("two", source=None)
        assert len(set(self.of_models(tmp_path).values())) == 2

    def test_a_circle_is_one(self, tmp_path: Path, write: Write):
        for model, base in (("one", "two"), ("two", "three"), ("three", "one"), ("four", "one")):
            write(model, stage="instruct", base_model=f"lab/{base}")
        assert len(set(self.of_models(tmp_path).values())) == 1


class TestDepths:
    """Mean relative exit of every prompt, from the tokens beside the row."""

    def test_depth_is_exit_layer_over_layers(self, tmp_path: Path):
        write_case(tmp_path, "one", "chat", 0.3)
        depths, unread = prompt_depths(rows_of(tmp_path))
        assert depths["depth"].tolist() == pytest.approx([0.74, 0.72, 0.68, 0.66])
        assert unread == 0

    def test_prompts_keep_their_number_in_the_workload(self, tmp_path: Path):
        write_case(tmp_path, "one", "chat", 0.3)
        depths, _ = prompt_depths(rows_of(tmp_path))
        assert depths["prompt"].tolist() == list(range(PROMPTS))
        assert set(np.rint(depths["depth"] * LAYERS)) == {33, 34, 36, 37}

    @pytest.mark.parametrize("damage", ["missing", "cut short", "another table", "another row's", "a folder"])
    def test_tokens_that_cannot_be_read_are_counted(self, tmp_path: Path, damage: str):
        for model in ("one", "two"):
            write_case(tmp_path, model, "chat", 0.3)
        (path,) = (tmp_path / "one").rglob("*.parquet")
        content = path.read_bytes()
        path.unlink()
        write_case(tmp_path / "elsewhere", "other", "chat", 0.5)
        (other,) = (tmp_path / "elsewhere").rglob("*.parquet")
        match damage:
            case "cut short":
                path.write_bytes(content[: len(content) // 2])
            case "another row's":
                shutil.copy(other, path)
            case "another table":
                pd.DataFrame({"a": [1]}).to_parquet(path)
            case "a folder":
                path.mkdir()
        depths, unread = prompt_depths(rows_of(tmp_path))
        assert set(depths["model"]) == {"two", "other"}
        assert unread == 1

    def test_no_tokens_at_all_are_no_depths(self, tmp_path: Path):
        write_case(tmp_path, "one", "chat", 0.3)
        (path,) = tmp_path.rglob("*.parquet")
        path.unlink()
        depths, unread = prompt_depths(rows_of(tmp_path))
        assert (len(depths), unread) == (0, 1)
        assert {"model", "workload", "prompt", "depth"} <= set(depths)


class TestLevels:
    """A model's mean, without the luck of which workloads it was measured on."""

    @given(
        st.lists(st.floats(-1, 1), min_size=4, max_size=4),
        st.lists(st.floats(-1, 1), min_size=3, max_size=3),
        st.sets(st.tuples(st.integers(1, 3), st.integers(1, 2))),
    )
    def test_differences_between_models_do_not_depend_on_what_was_measured(
        self, model: list[float], workload: list[float], missing: set[tuple[int, int]]
    ):
        # The first model saw every workload and the first workload every model, so all are connected.
        cells = [(i, j) for i in range(4) for j in range(3) if (i, j) not in missing]
        rows = pd.DataFrame(
            {
                "model": [f"m{i}" for i, _ in cells],
                "workload": [f"w{j}" for _, j in cells],
                "skip_ratio": [model[i] + workload[j] for i, j in cells],
            }
        )
        level = levels(rows, "skip_ratio")
        assert (level - level["m0"]).tolist() == pytest.approx((np.array(model) - model[0]).tolist(), abs=1e-9)

    def test_the_level_is_the_plain_mean_where_all_saw_the_same(self):
        rows = pd.DataFrame({"model": ["a", "a", "b", "b"], "workload": ["x", "y"] * 2, "eas": [0.1, 0.3, 0.2, 0.6]})
        assert levels(rows, "eas").to_dict() == pytest.approx({"a": 0.2, "b": 0.4})

    def test_workloads_nothing_connects_leave_plain_means(self):
        rows = pd.DataFrame({"model": ["a", "b"], "workload": ["x", "y"], "eas": [0.1, 0.3]})
        assert levels(rows, "eas").to_dict() == pytest.approx({"a": 0.1, "b": 0.3})

    def test_what_was_not_measured_has_no_level(self):
        rows = pd.DataFrame({"model": ["a", "b"], "workload": ["x", "x"], "eas": [0.1, np.nan]})
        assert list(levels(rows, "eas").index) == ["a"]


def test_a_copy_of_a_folder_counts_once(tmp_path: Path):
    write_case(tmp_path / "local", "one", "chat", 0.3)
    shutil.copytree(tmp_path / "local", tmp_path / "published")
    assert len(choose(tmp_path).rows) == 1
