"""The command `exitbench`: what it prints, and how it ends."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from folders import write_case

from benchmark.interface.cli import main

COMMANDS = ("run", "doctor", "findings", "ladder", "leaderboard", "recompute", "architectures")
COMMANDS += ("plan", "new-model", "validate", "check", "merge", "schema")
# Seconds of imports that no help text is worth.
SLOW = ("torch", "transformers", "pandas", "scipy", "plotly", "datasets", "pytest")


def run(*arguments: str) -> int:
    """The exit code, also when argparse ends the program."""
    try:
        return main(list(arguments))
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code


class TestHelp:
    """Help is complete, and there at once."""

    def test_every_command_is_listed(self, capsys: pytest.CaptureFixture[str]):
        assert run("--help") == 0
        output = capsys.readouterr().out
        assert [command for command in COMMANDS if f"\n    {command}" not in output] == []

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_explains_itself(self, command: str, capsys: pytest.CaptureFixture[str]):
        assert run(command, "--help") == 0
        usage, description, *_ = capsys.readouterr().out.split("\n\n")
        assert usage.startswith(f"usage: exitbench {command}")
        assert description.rstrip().endswith(".")

    @pytest.mark.parametrize("arguments", [(), ("recompute",), ("plan", "--device", "tpu")])
    def test_an_incomplete_command_ends_with_2_and_its_usage(
        self, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
    ):
        assert run(*arguments) == 2
        assert "usage: exitbench" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ("pln", "there is no command 'pln'; did you mean 'plan'?"),
            ("--hlep", "there is no option '--hlep'; did you mean '--help'?"),
            ("xyzzy", "there is no command 'xyzzy'; see: exitbench --help"),
            ("plan --modle nope", "plan has no option '--modle'; did you mean '--model'?"),
            ("leaderboard --ouput=page", "leaderboard has no option '--ouput'; did you mean '--output'?"),
            ("check results --js", "check has no option '--js'; did you mean '--json'?"),
            ("doctor one two", "doctor does not take 'two'; see: exitbench doctor --help"),
        ],
    )
    def test_a_mistyped_command_ends_with_2_and_the_nearest_name(
        self, arguments: str, told: str, capsys: pytest.CaptureFixture[str]
    ):
        assert run(*arguments.split()) == 2
        assert capsys.readouterr().err == f"exitbench: {told}\n"

    def test_the_module_is_the_command(self):
        command = [sys.executable, "-m", "benchmark", "pln"]
        ended = subprocess.run(command, capture_output=True, text=True)
        assert (ended.returncode, ended.stderr.count("did you mean 'plan'?")) == (2, 1)

    def test_the_command_is_installed_under_its_name(self):
        (script,) = importlib.metadata.entry_points(group="console_scripts", name="exitbench")
        assert script.load() is main


class TestFastToSayNo:
    """What is mistyped is told before anything is imported that takes seconds."""

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            ("--help", 0),
            ("run --help", 0),
            ("run nope", 1),
            ("run SmolLM2-135M-Instruct --workload nope", 1),
            ("run SmolLM2-135M-Instruct --limit nope", 2),
            ("plan --model nope", 1),
            ("plan --workload nope", 1),
            ("plan --modle nope", 2),
            ("doctor nope", 1),
            ("check nope", 1),
            ("findings nope", 1),
            ("recompute nope", 1),
            ("leaderboard nope", 1),
            ("merge nope nope", 1),
            ("validate nope.yaml", 1),
        ],
    )
    def test_nothing_slow_is_imported(self, arguments: str, code: int):
        program = (
            "import sys\n"
            "from benchmark.interface.cli import main\n"
            f"try:\n    code = main({arguments.split()!r})\nexcept SystemExit as end:\n    code = end.code\n"
            f"print(code, sorted(set(sys.modules) & set({SLOW!r})))\n"
        )
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert ended.stdout.splitlines()[-1] == f"{code} []"

    @pytest.mark.parametrize("command", ["check", "findings", "recompute", "leaderboard", "merge into"])
    def test_the_folder_beside_that_is_spelt_alike(
        self, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        (tmp_path / "published").mkdir()
        assert run(*command.split(), str(tmp_path / "publishd")) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line == f"exitbench: {tmp_path / 'publishd'}: no such folder; did you mean {tmp_path / 'published'}?"


class TestWhatTheSystemRefuses:
    """One line and 1, never a traceback."""

    def test_a_file_in_the_place_of_a_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        write_case(tmp_path / "source", "one", "chat", 0.3)
        (tmp_path / "into").mkdir()
        (tmp_path / "into" / "one").touch()
        assert run("merge", str(tmp_path / "into"), str(tmp_path / "source")) == 1
        (line,) = capsys.readouterr().err.splitlines()
        remedy = "make room there, or write to another folder"
        assert line == f"exitbench: {tmp_path / 'into'}: cannot be written: Not a directory; {remedy}"

    def test_a_lock_that_is_a_link(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        write_case(tmp_path, "one", "chat", 0.3)
        (tmp_path / ".table.csv.lock").symlink_to(tmp_path / "made")
        assert run("merge", str(tmp_path)) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"exitbench: {tmp_path / 'table.csv'}: cannot be written: Too many levels of symbolic")
        assert not (tmp_path / "made").exists()

    def test_names_that_a_terminal_would_act_on(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        odd = tmp_path / os.fsdecode(b"\xff\x1b[31m.yaml")
        assert run("doctor", "other", "--model-file", str(odd)) == 1
        assert "��[31m.yaml: no such file" in capsys.readouterr().err


class TestFindings:
    """`exitbench findings`."""

    def test_tables(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        write_case(tmp_path, "one", "chat", 0.3)
        assert run("findings", str(tmp_path)) == 0
        output = capsys.readouterr()
        assert "EAS predicts the gain." in output.out
        assert output.err == ""

    def test_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        write_case(tmp_path, "one", "chat", 0.3)
        assert run("findings", "--json", str(tmp_path)) == 0
        assert json.loads(capsys.readouterr().out)["rows"] == 1

    def test_published_results_are_the_default(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ):
        write_case(tmp_path / "results" / "published", "one", "chat", 0.3)
        monkeypatch.chdir(tmp_path)
        assert run("findings") == 0
        assert capsys.readouterr().out.startswith("results/published: rows 1")

    def test_a_reader_who_has_seen_enough_is_no_error(self, tmp_path: Path):
        write_case(tmp_path, "one", "chat", 0.3)
        code = "import sys; from benchmark.interface.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", code, "findings", str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 1

    @pytest.mark.parametrize("content", ["missing", "empty", "unrelated", "a file", "limited"])
    def test_a_folder_without_results_is_one_line_and_1(
        self, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
    ):
        folder = tmp_path / "results"
        match content:
            case "empty":
                folder.mkdir()
            case "unrelated":
                folder.mkdir()
                (folder / "package.json").write_text('{"name": "x"}')
            case "a file":
                folder.write_text("model\n")
            case "limited":
                write_case(folder, "one", "chat", 0.3, limited=True)
        assert run("findings", str(folder)) == 1
        output = capsys.readouterr()
        assert output.out == ""
        (line,) = output.err.splitlines()
        assert line.startswith(f"exitbench: {folder}: ")


class TestRecompute:
    """`exitbench recompute`."""

    def test_a_missing_folder_is_one_line_and_1(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        assert run("recompute", str(tmp_path / "nowhere")) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"exitbench: {tmp_path / 'nowhere'}: no such folder")

    def test_every_row_is_a_line_and_then_their_number(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        for model in ("one", "two"):
            write_case(tmp_path, model, "chat", 0.3)
        assert run("recompute", str(tmp_path)) == 0
        *paths, count = capsys.readouterr().out.splitlines()
        assert sorted(paths) == sorted(str(path) for path in tmp_path.rglob("*.json"))
        assert count == "rows rewritten: 2"


class TestDoctor:
    """`exitbench doctor`, as far as it needs no model."""

    def test_an_unknown_entry_is_one_line_and_1(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        models = tmp_path / "models.yaml"
        models.write_text("models:\n  - id: org/name\n")
        assert run("doctor", "other", "--model-file", str(models)) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("exitbench: doctor 'other' matches nothing in ")

    def test_a_pattern_that_takes_several_is_one_line_and_1(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        models = tmp_path / "models.yaml"
        models.write_text("models:\n  - {id: org/name, revisions: [step1, step2]}\n")
        assert run("doctor", "name", "--model-file", str(models)) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line == "exitbench: doctor 'name' takes 2 entries; name one of them: name@step1, name@step2"

    def test_a_missing_model_file_is_one_line_and_1(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        assert run("doctor", "other", "--model-file", str(tmp_path / "none.yaml")) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "none.yaml" in line
