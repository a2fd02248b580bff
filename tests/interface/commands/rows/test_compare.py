"""The command `exitbench compare`."""

import csv
import io
from pathlib import Path

import pytest
from commands import run
from folders import write_case


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models on two workloads."""
    for model, gain in (("one", 0.3), ("two_2", 0.4)):
        for workload in ("chat", "math"):
            write_case(tmp_path / "results", model, workload, gain)
    return tmp_path / "results"


def test_two_models_of_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run("compare", "one", "two_2", "--results-dir", folder, "--workload", "math") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["A: one (bfloat16)", "B: two_2 (bfloat16)"]
    (line,) = [line for line in lines if "skip ratio" in line]
    assert line.split()[:6] == ["math", "skip", "ratio", "0.300", "0.400", "+0.100"]
    assert not [line for line in lines if "chat" in line]


def test_two_folders_are_named_with_the_models_in_them(folder: Path, tmp_path: Path, capsys):
    write_case(tmp_path / "other", "three", "chat", 0.3)
    one, other = folder / "one", tmp_path / "other"
    assert run("compare", one, other) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"A: {one}: one (bfloat16)", f"B: {other}: three (bfloat16)"]


@pytest.mark.parametrize(
    ("form", "begin"), [("md", "| workload |"), ("latex", r"\begin{tabular}"), ("csv", "workload")]
)
def test_only_the_table_is_printed_in_other_forms(folder: Path, form: str, begin: str, capsys):
    assert run("compare", folder, folder, "--format", form) == 0
    out = capsys.readouterr().out
    assert out.startswith(begin.replace("workload", "model", 1) if form != "latex" else begin)


def test_csv_has_numbers_in_full(folder: Path, capsys):
    assert run("compare", "one", "two_2", "--results-dir", folder, "--format", "csv") == 0
    records = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    (record,) = [one for one in records if (one["workload"], one["number"]) == ("chat", "skip ratio")]
    assert float(record["B - A"]) == pytest.approx(float(record["B"]) - float(record["A"]))


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (("one", "onne"), "has no model 'onne'; did you mean one?"),
        (("one", "<b>"), "has no model '<b>'; there are: "),
    ],
)
def test_a_name_that_is_not_there_is_one_line(folder: Path, sides: tuple[str, str], message: str, capsys):
    assert run("compare", *sides, "--results-dir", folder) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("exitbench: ") and message in line


def test_nothing_in_common_is_one_line(folder: Path, tmp_path: Path, capsys):
    write_case(tmp_path / "other", "one", "chat", 0.3, prompts_sha256="others")
    assert run("compare", folder, tmp_path / "other") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "nothing can be compared" in line and "other prompts" in line
