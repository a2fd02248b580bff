"""What findings are computed from: lineages, depths of prompts, and levels of models."""

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

from benchmark.report.findings.comparable_rows import comparable, read
from benchmark.report.findings.levels import levels, prompt_depths
from benchmark.results.row import Row

Write = Callable[..., Row]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes one case of a model into `tmp_path`."""

    def write(model: str, **columns: Any) -> Row:
        return write_case(tmp_path, model, "chat", 0.3, **columns)

    return write


def rows_of(folder: Path) -> pd.DataFrame:
    return read(folder)[0]


class TestLineages:
    """A base model and all that was made from it are one lineage."""

    def of_models(self, folder: Path) -> dict[str, str]:
        rows = comparable(rows_of(folder)).rows
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

    def test_a_base_in_a_folder_is_told_by_its_name(self, tmp_path: Path, write: Write):
        write("base@checkpoint-4", source="path:base/checkpoint-4")
        write("tuned", source="path:tuned", stage="instruct", base_model="base@checkpoint-4")
        write("other", source="path:other", stage="instruct", base_model="lab/base")
        assert self.of_models(tmp_path) == {
            **dict.fromkeys(("base@checkpoint-4", "tuned"), "path:base/checkpoint-4"),
            "other": "hub:lab/base",
        }

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
