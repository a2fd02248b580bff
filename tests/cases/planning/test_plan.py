"""`exitbench plan`: what would be measured here, before anything is loaded or fetched."""

import json
from pathlib import Path

import pytest
import torch
from commands import run
from huggingface_hub import constants
from measured import measure
from strategies import row_of

from benchmark.cases.planning.plan import ModelPlan, biggest_first, plan
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.model_entry import load_models
from benchmark.inputs.settings import CaptureSettings
from benchmark.inputs.workload_entry import Cell
from benchmark.interface.commands.planning.text import as_text
from benchmark.models import hardware
from benchmark.results.store import Store
from benchmark.trace.sample import SAMPLE, TOP_K

CPU = torch.device("cpu")
PLAIN = {"max_new_tokens": None, "batch_size": None, "top_k": TOP_K, "sample": SAMPLE}
"""The setting of a run without options."""

MODELS = """
- id: lab/small
  parameters: 1000000
- id: lab/halved
  parameters: 1000000
  quantization: 8bit
- id: lab/single
  parameters: 1000000
  dtype: float32
- id: lab/huge
  parameters: 1000000000000000
- id: lab/unknown
- path: nowhere
- package: not-installed-anywhere
  file: model.gguf
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny`, measured on one workload in the plain setting, and models that are not here."""
    folder = tmp_path_factory.mktemp("world")
    measure(folder, **PLAIN)
    (folder / "models.yaml").write_text((folder / "models.yaml").read_text() + MODELS)
    return folder


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def planned(world: Path, results: Path | None = None, dtype: str | None = None) -> dict[str, ModelPlan]:
    """The plan for every model on every workload, by name."""
    settings = CaptureSettings(dtype=dtype)
    cells = [Cell(workload) for workload in load_workloads()]
    plans = plan(load_models(world / "models.yaml"), cells, settings, results or world / "results")
    return {one.name: one for one in plans}


class TestAModelThatIsHere:
    """Its workloads are done, to do, or lack their data."""

    def test_what_is_done_in_the_plain_setting(self, world: Path):
        tiny = planned(world)["tiny"]
        assert tiny.missing is None
        assert tiny.done == ["translation"]
        assert {"chat", "humaneval", "math"} <= set(tiny.to_do)
        assert "translation" not in tiny.to_do

    def test_what_was_measured_in_another_setting_is_to_do(self, world: Path, tmp_path: Path):
        assert "translation" in planned(world, dtype="float32", results=tmp_path)["tiny"].to_do

    def test_workloads_whose_data_are_not_here(self, world: Path):
        tiny = planned(world)["tiny"]
        assert str(tiny.lacking["gsm8k"]).startswith("not on this machine")
        assert set(tiny.lacking) == {spec.name for spec in load_workloads() if spec.source.id is not None}

    def test_workloads_of_the_other_kind_are_none_of_its(self, world: Path):
        tiny = planned(world)["tiny"]
        assert "masked_passages" not in {*tiny.done, *tiny.to_do, *tiny.lacking}

    def test_memory_is_that_of_the_weights_with_room(self, world: Path):
        weights = sum(file.stat().st_size for file in (world / "tiny").glob("*.safetensors"))
        tiny = planned(world)["tiny"]
        assert tiny.memory == pytest.approx(1.2 * weights, rel=0.03)
        assert tiny.disk == 0
        assert planned(world, dtype="bfloat16")["tiny"].memory == pytest.approx(0.6 * weights, rel=0.03)

    def test_a_case_that_failed_before_is_to_do(self, world: Path, tmp_path: Path):
        (path,) = (world / "results" / "tiny").rglob("*.json")
        store = Store(tmp_path)
        target = tmp_path / path.relative_to(world / "results")
        store.write(target, row_of(model="tiny", workload="translation", status="failed", error="NaN"))
        tiny = planned(world, results=tmp_path)["tiny"]
        assert tiny.failed == ["translation"]
        assert "translation" in tiny.to_do


class TestTime:
    """Only what was measured on this machine tells how long something takes."""

    def test_without_rows_there_is_none(self, world: Path, tmp_path: Path):
        assert planned(world, results=tmp_path)["tiny"].seconds is None

    def row(self, folder: Path, **columns: object) -> None:
        plain = {"accelerator": hardware.accelerator(CPU), "generate_seconds": 3.0, "oracle_seconds": 1.0}
        plain |= {"case_seconds": None, "load_seconds": None, "prompts": 10, "max_new_tokens": 10}
        row = row_of(**{**plain, "tokens": 100, "parameters": 1_000, **columns})
        store = Store(folder)
        store.write(store.path(row.model, row.workload, row.suite, row.configuration), row)

    def test_rows_of_the_model_itself_go_by_tokens(self, world: Path, tmp_path: Path):
        self.row(tmp_path)
        self.row(tmp_path, model="other", tokens=1)
        tiny = planned(world, results=tmp_path)["tiny"]
        asked = [spec for spec in load_workloads() if spec.name in tiny.to_do]
        assert tiny.seconds == pytest.approx(0.04 * sum(spec.prompts * spec.max_new_tokens for spec in asked))
        assert tiny.rows == 1

    def test_rows_of_other_models_go_by_their_parameters_too(self, world: Path, tmp_path: Path):
        self.row(tmp_path, model="other")
        path = tmp_path / "models.yaml"
        path.write_text(f"models:\n- {{path: {world / 'tiny'}, name: new, parameters: 2000}}\n")
        workloads = [spec for spec in load_workloads() if spec.name == "chat"]
        (new,) = plan(load_models(path), [Cell(workloads[0])], CaptureSettings(), tmp_path)
        assert new.seconds == pytest.approx(0.08 * workloads[0].prompts * workloads[0].max_new_tokens)

    @pytest.mark.parametrize("other", [{"accelerator": "another processor"}, {"limited": True}, {"tokens": None}])
    def test_other_rows_do_not_tell(self, world: Path, tmp_path: Path, other: dict[str, object]):
        self.row(tmp_path, **other)
        assert planned(world, results=tmp_path)["tiny"].seconds is None


class TestAModelThatIsNot:
    """What is missing, and how large it would be."""

    def test_one_to_be_fetched(self, world: Path):
        small = planned(world)["small"]
        assert small.waits_for_download
        assert (small.memory, small.disk) == (pytest.approx(2.4e6), 2e6)
        assert planned(world)["single"].memory == pytest.approx(4.8e6)

    def test_one_of_unknown_size(self, world: Path):
        unknown = planned(world)["unknown"]
        assert (unknown.waits_for_download, unknown.memory, unknown.disk) == (True, None, None)

    def test_one_that_would_not_fit_is_not_worth_fetching(self, world: Path):
        huge = planned(world)["huge"]
        assert not huge.waits_for_download
        assert str(huge.missing).startswith("needs about 2.4e+06 GB of memory, ")

    def test_one_that_needs_a_library(self, world: Path):
        assert str(planned(world)["model"].missing).startswith("package not-installed-anywhere is not installed")
        # A quarter of a small model is embeddings, which stay in 16 bit; the rest takes a byte a weight.
        assert planned(world)["halved"].memory == pytest.approx(1.2 * 1.25e6)

    def test_a_mistake_in_one_entry_does_not_hide_the_others(self, world: Path):
        plans = planned(world)
        assert "no such file or folder" in str(plans["nowhere"].missing)
        assert len(plans) == len(load_models(world / "models.yaml"))

    def test_the_largest_first(self, world: Path):
        names = [planned.name for planned in biggest_first(list(planned(world).values()))]
        assert names[:2] == ["huge", "single"] and names[-1] in ("unknown", "nowhere", "model")

    def test_nothing_is_fetched_or_written(self, world: Path, tmp_path: Path):
        before = sorted(world.rglob("*"))
        planned(world)
        assert sorted(world.rglob("*")) == before
        assert list(tmp_path.iterdir()) == []


class TestText:
    """What a person reads."""

    def test_models_in_three_groups(self, world: Path):
        lines = list(as_text(list(planned(world).values()), CPU))
        assert lines[0].startswith(f"on cpu: {hardware.accelerator(CPU)}; free: memory ")
        heads = [line for line in lines if line.startswith("models ")]
        assert heads[0] == "models that can run here: 1 of 8"
        assert heads[1].startswith("models that can run with --download: ")
        assert heads[2].startswith("models that cannot run here: ")

    def test_a_model_that_is_here(self, world: Path, tmp_path: Path):
        lines = list(as_text([planned(world)["tiny"]], CPU))
        assert "    done: translation" in lines
        assert any(line.startswith("  tiny: memory ") and ", about " in line for line in lines)
        assert any(
            line.startswith("    data not on this machine; allow the download to fetch it (--download): ")
            for line in lines
        )

    def test_reasons_stand_under_their_remedy(self, world: Path):
        lines = list(as_text([planned(world)[name] for name in ("huge", "nowhere", "model")], CPU))
        remedy = lines.index("  python -m pip install --no-deps not-installed-anywhere:")
        assert lines[remedy + 1] == "    model: package not-installed-anywhere is not installed"
        assert "  correct the model file:" in lines

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0.2, "1 s"), (59, "59 s"), (90, "1.5 min"), (2e4, "5.6 h"), (1e7, "116 days"), (1e9, "11,574 days")],
    )
    def test_durations(self, seconds: float, text: str):
        lines = list(as_text([ModelPlan("x", 1e9, 0, to_do=["chat"], seconds=seconds, rows=3)], CPU))
        assert lines[2:] == [
            f"  x: memory 1 GB, about {text} going by rows measured on this machine: 3",
            "    to do: chat",
        ]

    @pytest.mark.parametrize(("size", "text"), [(1.23e9, "1.23 GB"), (99.96e9, "100 GB"), (1.234e12, "1,234 GB")])
    def test_sizes(self, size: float, text: str):
        assert f"  x: memory {text}" in list(as_text([ModelPlan("x", size, 0)], CPU))

    def test_a_conversion_takes_disk_once(self):
        lines = list(as_text([ModelPlan("x", 1e9, 2e9)], CPU))
        assert "  x: memory 1 GB, disk 2 GB to convert it once" in lines


class TestCommand:
    """`exitbench plan`."""

    def test_selected_models_and_workloads(self, world: Path, capsys: pytest.CaptureFixture[str]):
        code = run(
            *("plan", "--model-file", world / "models.yaml", "--model", "tiny", "--workload", "math"),
            *("--results-dir", world / "results", "--device", "cpu", "--study", "oracle"),
        )
        assert code == 0
        output = capsys.readouterr()
        assert "models that can run here: 1 of 1" in output.out
        assert "    to do: math\n" in output.out
        assert output.err == ""

    def test_both_studies_by_default(self, world: Path, capsys: pytest.CaptureFixture[str]):
        arguments = ("--model", "tiny", "--workload", "math", "--device", "cpu", "--gate", "margin=0.5")
        assert run("plan", "--model-file", world / "models.yaml", "--results-dir", world / "results", *arguments) == 0
        assert "    to do: math, math × margin=0.5-recompute, math × margin=0.5-propagate\n" in capsys.readouterr().out

    def test_names_of_what_can_run(self, world: Path, capsys: pytest.CaptureFixture[str]):
        assert run("plan", "--model-file", world / "models.yaml", "--names") == 0
        assert capsys.readouterr().out == "tiny\n"

    def test_data_for_programs(self, world: Path, capsys: pytest.CaptureFixture[str]):
        results = ("--results-dir", world / "results", "--workload", "translation", "--study", "oracle")
        assert run("plan", "--model-file", world / "models.yaml", "--device", "cpu", "--json", *results) == 0
        data = json.loads(capsys.readouterr().out)
        models = {model["name"]: model for model in data["models"]}
        assert (data["device"], data["accelerator"]) == ("cpu", hardware.accelerator(CPU))
        assert (models["tiny"]["status"], models["tiny"]["done"]) == ("can run", ["translation"])
        assert models["small"]["status"] == "waits for download"
        assert models["huge"]["status"] == "cannot run" and models["huge"]["remedy"]
        assert models["nowhere"]["reason"] and models["nowhere"]["remedy"] is None

    def test_shards_share_out_the_models(self, world: Path, capsys: pytest.CaptureFixture[str]):
        names = []
        for number in (1, 2, 3):
            assert run("plan", "--model-file", world / "models.yaml", "--json", "--shard", f"{number}/3") == 0
            names += [model["name"] for model in json.loads(capsys.readouterr().out)["models"]]
        assert sorted(names) == sorted(entry.name for entry in load_models(world / "models.yaml"))

    @pytest.mark.parametrize("option", ["--model", "--workload"])
    def test_a_name_that_matches_nothing_is_one_line_and_1(
        self, world: Path, option: str, capsys: pytest.CaptureFixture[str]
    ):
        assert run("plan", "--model-file", world / "models.yaml", option, "nothing") == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"exitbench: {option} 'nothing' matches nothing")
