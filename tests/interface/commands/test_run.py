"""`exitbench run`, as far as it needs no model: which of its arguments are whose, and what is wrong with them."""

from pathlib import Path

import pytest
from commands import run

from benchmark.interface.commands.run import split


@pytest.mark.parametrize(
    ("arguments", "names", "rest"),
    [
        ("", "", ""),
        ("one two", "one two", ""),
        ("one --limit 2", "one", "--limit=2"),
        ("--limit 2 one", "one", "--limit=2"),
        ("--results-dir @rows one", "one", "--results-dir=@rows"),
        ("--limit=2 one --download two", "one two", "--limit=2 --download"),
        ("--workload math one", "one", "--workload=math"),
        ("one -k exits two", "one", "-k exits two"),
        ("-n 2 --limit 2", "", "-n 2 --limit 2"),
        ("one --limit", "one", "--limit"),
    ],
)
def test_names_stand_before_the_first_option_of_pytest(arguments: str, names: str, rest: str):
    assert split(arguments.split()) == (names.split(), rest.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("SmolLM2-135M-Instuct", "run 'SmolLM2-135M-Instuct' matches nothing in models.yaml; there are: SmolLM2-135M"),
        ("--limit 2 nova", "run 'nova' matches nothing in models.yaml; there are: SmolLM2-135M"),
        ("--model nova", "--model 'nova' matches nothing in models.yaml; there are: SmolLM2-135M"),
        ("--workload mahts", "--workload 'mahts' matches nothing in the workloads; there are: "),
        ("--model-file nova.yaml", "nova.yaml: no such file"),
        ("--workload-file nova.yaml", "nova.yaml: no such file"),
    ],
)
def test_a_mistyped_name_is_one_line_and_1(
    arguments: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    Path("models.yaml").write_text("models:\n  - id: org/SmolLM2-135M\n")
    assert run("run", *arguments.split()) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"exitbench: {told}")


def test_help_lists_the_options_of_a_measurement(capsys: pytest.CaptureFixture[str]):
    assert run("run", "SmolLM2-135M-Instruct", "--help") == 0
    output = capsys.readouterr().out
    assert [option for option in ("--limit N", "--workload NAME", "--results-dir DIR") if option not in output] == []
