"""`exitbench ladder`: tables or JSON of a folder, and what it says of one without rows."""

import json
from pathlib import Path

import pytest
from commands import run
from folders import write_case


def test_tables_and_json_have_the_same_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_case(tmp_path, "one", "chat", 0.5, gate_speed_99=1.25)
    assert run("ladder", tmp_path) == 0
    assert "1.25" in capsys.readouterr().out
    assert run("ladder", tmp_path, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["model"], found["layers"], found["gate 99 %"], found["settled"]) == ("one", 2.0, 1.25, None)


@pytest.mark.parametrize(
    ("form", "begin"), [("md", "| model | workload |"), ("latex", r"\begin{tabular}"), ("csv", "model,workload")]
)
def test_other_forms(tmp_path: Path, form: str, begin: str, capsys: pytest.CaptureFixture[str]):
    write_case(tmp_path, "one", "chat", 0.5)
    assert run("ladder", tmp_path, "--format", form) == 0
    out = capsys.readouterr().out
    assert out.startswith(begin) and "chat" in out


def test_a_folder_without_rows_and_one_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "local").mkdir()
    assert run("ladder", tmp_path / "local") == 1
    assert "holds no row of the oracle study that went well; measure with: pytest suites/" in capsys.readouterr().err
    assert run("ladder", tmp_path / "locl") == 1
    assert f"did you mean {tmp_path / 'local'}?" in capsys.readouterr().err
