"""`exitbench lm-eval` and `exitbench choices`, as a person types them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from lm_eval_files import write_tasks

from benchmark.interface.cli import main


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tasks(tmp_path_factory.mktemp("lm-eval") / "tasks")


class TestWithTheExtra:
    @pytest.fixture(autouse=True)
    def _extra(self) -> None:
        pytest.importorskip("lm_eval", reason="needs the extra: pip install 'exitbench[lm-eval]'")

    def test_tasks_run_with_a_gate(self, tasks, tiny_folder, tmp_path):
        words = ["lm-eval", "--tasks", "sums", "--include_path", str(tasks), "--limit", "2"]
        words += ["--model_args", f"pretrained={tiny_folder},gate=static=1,policy=recompute"]
        words += ["--output_path", str(tmp_path / "out"), "--batch_size", "2"]
        command, offline = [sys.executable, "-m", "benchmark", *words], os.environ | {"HF_HUB_OFFLINE": "1"}
        ended = subprocess.run(command, capture_output=True, text=True, env=offline, check=False)
        assert ended.returncode == 0, ended.stderr[-2000:]
        assert "exact_match" in ended.stdout
        assert "gate static=1, policy recompute" in ended.stderr and "of the layers" in ended.stderr
        (written,) = (tmp_path / "out").rglob("results_*.json")
        assert json.loads(written.read_text())["config"]["gate"] == "static=1"

    def test_choices_of_every_layer(self, tasks, tiny_folder, tmp_path, capsys):
        file = tmp_path / "picks.csv"
        words = ["choices", str(tiny_folder), "picks", "--include-path", str(tasks), "--output", str(file)]
        assert main(words) == 0
        shown = capsys.readouterr().out
        assert "acc_norm" in shown and "0-shot, 4 questions" in shown
        table = pd.read_csv(file)
        assert table.layer.tolist() == [1, 2, 3]
        assert set(table.task) == {"picks"} and table.acc.between(0, 1).all()

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            (["sums"], "'sums' has no choices to compare"),
            (["pics"], "lm-eval has no task 'pics'; did you mean 'picks'?"),
            (["picks", "--output", "picks.txt"], "picks.txt is neither .csv nor .json"),
            (["picks", "--output", "nowhere/picks.csv"], "no folder nowhere; make it first"),
        ],
    )
    def test_what_cannot_be_is_one_line(self, words, problem, tasks, tiny_folder, capsys):
        assert main(["choices", str(tiny_folder), *words, "--include-path", str(tasks)]) != 0
        (line,) = [line for line in capsys.readouterr().err.splitlines() if "exitbench" in line]
        assert problem in line


@pytest.mark.parametrize("words", [["choices", "SmolLM2-135M-Instruct", "picks"], ["lm-eval", "--tasks", "sums"]])
def test_without_the_extra_they_say_what_to_install(words, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    assert main(words) != 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "lm-evaluation-harness is not installed" in line and "pip install 'exitbench[lm-eval]'" in line
