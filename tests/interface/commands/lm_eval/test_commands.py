"""`exitbench lm-eval` and `exitbench choices`, as a person types them."""

import json
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from commands import run
from lm_eval_files import task_folder

from benchmark.errors import InputError
from benchmark.inputs.data import lm_eval_library
from benchmark.interface.commands.lm_eval.harness import _with_model

needed = pytest.mark.skipif(find_spec("lm_eval") is None, reason="needs: pip install 'exitbench[lm-eval]'")


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return task_folder(tmp_path / "tasks")


@needed
def test_choices_prints_a_line_for_each_layer_and_writes_it(
    tiny_folder: Path, tasks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    asked = ("choices", tiny_folder, "picks", "--include-path", tasks, "--limit", 3)
    assert run(*asked, "--output", tmp_path / "a.json") == 0
    title, _, *layers, _ = capsys.readouterr().out.splitlines()
    assert title == "tiny on picks 1.0, 0-shot, 3 questions"
    written = json.loads((tmp_path / "a.json").read_text())
    assert [int(line.split()[0]) for line in layers] == [one["layer"] for one in written["layers"]] == [1, 2, 3]
    assert run(*asked, "--output", tmp_path / "a.csv") == 0
    table = pd.read_csv(tmp_path / "a.csv")
    assert table["acc"].tolist() == [one["acc"] for one in written["layers"]]
    assert set(table["task"]) == {"picks"}


@needed
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("sums",), "'sums' has no choices to compare"),
        (("picks", "--output", "a.txt"), "a.txt is neither .csv nor .json"),
        (("picks", "--output", "nowhere/a.csv"), "no folder nowhere"),
    ],
)
def test_what_choices_cannot_do_is_one_line(
    tiny_folder: Path, tasks: Path, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
):
    assert run("choices", tiny_folder, *words, "--include-path", tasks) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("exitbench: ")]
    assert told in line


@needed
def test_the_command_line_of_lm_eval_runs_a_gate(
    tiny_folder: Path, tasks: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    model = f"pretrained={tiny_folder},gate=static=1,policy=copy,batch_size=4"
    asked = ("--tasks", "sums", "--include_path", tasks, "--limit", 2, "--output_path", tmp_path / "out")
    assert run("lm-eval", "--model_args", model, *asked) == 0
    told = capfd.readouterr()
    assert "gate static=1, policy copy:" in told.err and "strict-match" in told.out
    (results,) = (tmp_path / "out").rglob("results_*.json")
    config = json.loads(results.read_text())["config"]
    assert (config["gate"], config["policy"]) == ("static=1", "copy") and config["skip_ratio"] > 0


@needed
def test_an_argument_that_cannot_be_is_one_line(tasks: Path, capfd: pytest.CaptureFixture[str]):
    asked = ("--tasks", "sums", "--include_path", tasks)
    assert run("lm-eval", "--model_args", "gate=margin=0.9", *asked) == 1
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("exitbench: ")]
    assert "name the model: pretrained=" in line


@needed
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"gate": "margn=0.9"}, "did you mean 'margin'"),
        ({"gates": "margin=0.9"}, "there is no 'gates'"),
        ({"batch_size": "auto"}, "must be a whole number of at least 1, not 'auto'"),
        ({"pretrained": "nothing-like-it"}, "matches nothing"),
        ({"device": "cuda:1"}, "must be one of auto, cpu, cuda"),
    ],
)
def test_model_arguments_that_cannot_be_are_refused(tiny_folder: Path, given: dict[str, str], told: str):
    from benchmark.interface.commands.lm_eval.model import NamedLM

    options = {"batch_size": 1, "max_batch_size": None, "device": "cuda:0"}
    with pytest.raises(InputError, match=told):
        NamedLM.create_from_arg_obj({"pretrained": str(tiny_folder)} | given, options)


def test_our_model_is_meant_unless_another_is_named():
    assert _with_model(["--tasks", "sums"]) == ["--tasks", "sums", "--model", "exitbench"]
    assert _with_model(["run", "--tasks", "sums"])[-2:] == ["--model", "exitbench"]
    for words in (["--model", "hf", "--tasks", "sums"], ["--config=a.yaml"], ["ls", "tasks"], ["--help"], []):
        assert _with_model(words) == words


@pytest.mark.parametrize("words", [("lm-eval", "--tasks", "sums"), ("choices", "tiny", "picks")])
def test_without_the_library_it_is_said_what_to_install(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(lm_eval_library, "find_spec", lambda name: None)
    assert run(*words) == 1
    assert capsys.readouterr().err == (
        "exitbench: lm-evaluation-harness is not installed; pip install 'exitbench[lm-eval]'\n"
    )
