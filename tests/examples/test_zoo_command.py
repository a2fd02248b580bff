"""The command: what it refuses before it begins, and what it does when one of its models goes wrong."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from examples.zoo.__main__ import main

SMOKE = Path(__file__).parents[2] / "examples" / "zoo" / "smoke.yaml"


def written(folder: Path, zoo_text: Path, *models: dict) -> list[str]:
    """Arguments for a list of these models, small and short, whose text is there already."""
    said = yaml.safe_load(SMOKE.read_text(encoding="utf-8"))
    said["defaults"] |= {"layers": 2, "width": 32, "parameters": 24_000, "context": 32, "batch": 4, "steps": 12}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(said | {"models": [*models]}), encoding="utf-8")
    shutil.copytree(zoo_text, folder / "zoo" / "text")
    return ["--zoo", str(path), "--folder", str(folder / "zoo"), "--workers", "1"]


def test_a_model_that_diverges_is_left_and_the_others_go_on(zoo_text, tmp_path, capfd):
    models = {"name": "bad", "learning_rate": 1e30}, {"name": "good"}
    assert main([*written(tmp_path, zoo_text, *models), "--train-only"]) == 1
    out, err = capfd.readouterr()
    assert (tmp_path / "zoo" / "good-s1" / "checkpoint-12").is_dir()
    assert not (tmp_path / "zoo" / "bad-s1" / "checkpoint-12").exists()
    lines = err.splitlines()
    assert any(line.startswith("bad-s1: is left at step 2") for line in lines)
    # Twelve steps teach nobody anything, so nobody is measured.
    assert any(line.startswith("good-s1: not measured: its held-out loss") for line in lines)
    assert "2 of 2 models" in out


def test_a_command_that_is_killed_leaves_nobody_training(zoo_text, tmp_path):
    arguments = written(tmp_path, zoo_text, {"name": "long", "steps": 10_000})
    command = [sys.executable, "-m", "examples.zoo", *arguments]
    with subprocess.Popen(command, cwd=SMOKE.parents[2], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("long-s1: step 1 of 10000")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert children
        process.send_signal(signal.SIGKILL)
    until = time.monotonic() + 10
    while any(running(child) for child in children):
        assert time.monotonic() < until
        time.sleep(0.05)


def running(process: str) -> bool:
    """Whether there is such a process, and it has not ended: one that nobody waits for stays, as a zombie."""
    status = Path(f"/proc/{process}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_only_the_shipped_list_as_a_whole_is_published(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--smoke", "--publish"])
    assert ended.value.code == 2
    assert "--publish is for the shipped list as a whole; leave out --smoke" in capsys.readouterr().err


def test_a_size_that_cannot_be_met_is_one_line_before_anything_is_done(zoo_text, tmp_path, capsys):
    model = {"name": "odd", "architecture": "mamba2", "parameters": 1_000}
    assert main(written(tmp_path, zoo_text, model)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("odd: field 'parameters': 1,000 cannot be met within 5 %")
    assert [path.name for path in (tmp_path / "zoo").iterdir()] == ["text"]


def test_what_training_takes_is_told_by_entry(zoo_text, tmp_path, capsys):
    assert main([*written(tmp_path, zoo_text, {"name": "twice", "seeds": [1, 2]}), "--time"]) == 0
    header, line, total = capsys.readouterr().out.splitlines()
    assert header.split()[0] == "entry"
    assert line.split()[0] == "twice"
    assert line.split()[3] == "2"
    assert total.endswith("h of one core")
