"""Several sessions and several processes on one folder: nothing is lost, and nothing measured twice."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

EXPERIMENTS = ["answers", "bounds", "exits", "gates", "halves", "layers", "speculation", "suitability", "words"]
OWN = '''
from typing import Annotated
from benchmark.cases.case import Case
from benchmark.metrics.column_types import Column, Columns
from benchmark.metrics.experiment import Experiment

class EarlyColumns(Columns):
    """What the first layer knows."""

    early_share: Annotated[float | None, Column(low=0, high=1)] = None
    """Share of tokens that layer 1 has right."""

def early(trace, scoring, costs):
    return EarlyColumns(early_share=float(trace.matches[:, 0].mean()))

EARLY = Experiment("early", EarlyColumns, early)

def test_early(case: Case) -> None:
    assert case.columns(EARLY).early_share == case.row.agreement[0]
'''
CLASH = OWN.replace("early_share", "skip_ratio")


@pytest.fixture
def models(tiny_folder: Path, tmp_path: Path) -> Path:
    """Two models of one folder."""
    file = tmp_path / "models.yaml"
    file.write_text(f"models: [{{path: {tiny_folder}, name: One}}, {{path: {tiny_folder}, name: Two}}]")
    return file


@pytest.fixture
def arguments(models: Path, tmp_path: Path) -> list[str | Path]:
    small = (
        "--study",
        "oracle",
        "--limit",
        "2",
        "--max-new-tokens",
        "4",
        "--workload",
        "humaneval",
        "--workload",
        "chat",
    )
    return ["--model-file", models, "--results-dir", tmp_path / "results", *small]


def rows(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in (folder / "results").glob("*/*/*.json")]
    by_case = {(row["model"], row["workload"]): row for row in found}
    assert len(by_case) == len(found)
    return by_case


def test_two_processes_of_one_session_share_out_the_models(run_suite, arguments, tmp_path):
    """Also where the person asks for a scope that would give each suite file to another process."""
    ended = run_suite(*arguments, "-n", "2", "--dist", "loadscope")
    assert ended.code == 0, ended.output
    assert "36 passed" in ended.output
    assert "4 measured now, 4 rows, 0 failed" in ended.output
    assert len(rows(tmp_path)) == 4
    assert all(row["experiments"] == EXPERIMENTS for row in rows(tmp_path).values())
    table = ended.output.split("exitbench results")[-1]
    assert "One: 3 layers" in table and "Two: 3 layers" in table
    again = run_suite(*arguments, "-n", "2")
    assert "36 skipped" in again.output and "4 cases ended in an earlier run" in again.output


def test_shards_share_out_the_models(run_suite, arguments, tmp_path):
    """Those of a job array: each measures its models, and one that has none says so."""
    ended = [run_suite(*arguments, "--shard", f"{number}/3", "-k", "test_exits") for number in (1, 2, 3)]
    assert [(one.code, "2 measured now" in one.output) for one in ended] == [(0, True), (0, True), (5, False)]
    assert len(rows(tmp_path)) == 4
    assert "exitbench: --shard 3/3: there are fewer models than shards; it has none" in ended[2].output
    assert "Traceback" not in ended[2].output and "skipped" not in ended[2].output


def test_two_sessions_at_once_measure_no_case_twice(start: Callable[..., subprocess.Popen[str]], arguments, tmp_path):
    """Each asks for another experiment; who comes second to a case waits, and finds it whole."""
    sessions = [
        start("-m", "pytest", "suites/", "-p", "no:cacheprovider", *arguments, "-k", keyword)
        for keyword in ("test_exits", "test_words or test_halves")
    ]
    outputs = [session.communicate(timeout=120)[0] for session in sessions]
    assert [session.returncode for session in sessions] == [0, 0], outputs
    measured = [int(re.findall(r"(\d+) measured now", output)[-1]) for output in outputs]
    assert sum(measured) == 4
    assert all(row["experiments"] == EXPERIMENTS for row in rows(tmp_path).values())


def test_another_scoring_loads_no_model(run_suite, arguments, tmp_path):
    assert run_suite(*arguments).code == 0
    before = rows(tmp_path)
    ended = run_suite(*arguments, "--alpha", "0.25", "--tau", "0.5,0.9")
    assert (ended.code, "36 passed" in ended.output) == (0, True), ended.output
    assert "loading from" not in ended.output and "0 measured now, 4 rows" in ended.output
    for names, row in rows(tmp_path).items():
        assert (row["alpha"], row["tau"], row["started"]) == (0.25, [0.5, 0.9], before[names]["started"])
        assert row["configuration"] == before[names]["configuration"]


class TestASuiteOfOnesOwn:
    """A file outside the package, with a column of its own."""

    @pytest.fixture
    def suite(self, tmp_path: Path) -> Path:
        path = tmp_path / "mine" / "test_early.py"
        path.parent.mkdir()
        path.write_text(OWN)
        return path

    def pytest(self, start: Callable[..., subprocess.Popen[str]], *arguments: str | Path) -> tuple[int, str]:
        process = start("-m", "pytest", "-p", "no:cacheprovider", *arguments)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output

    def test_its_column_lands_in_row_table_recompute_and_check(self, start, run_suite, suite, arguments, tmp_path):
        assert run_suite(*arguments).code == 0
        code, output = self.pytest(start, suite, *arguments)
        assert (code, "4 passed" in output, "loading from" in output) == (0, True, False), output
        for row in rows(tmp_path).values():
            assert row["experiments"] == sorted([*EXPERIMENTS, "early"])
            assert row["early_share"] == row["agreement"][0]
        assert pd.read_csv(tmp_path / "results" / "table.csv")["early_share"].notna().all()
        again = self.pytest(start, suite, *arguments)
        assert "4 skipped" in again[1]

        def exitbench(*words: str | Path) -> tuple[int, str]:
            process = start("-m", "benchmark", *words)
            output, _ = process.communicate(timeout=120)
            return process.returncode, output

        results = tmp_path / "results"
        code, output = exitbench("recompute", results, "--alpha", "0.25")
        assert code == 1 and "its experiment 'early' is not known here; name the suite file it is from" in output
        assert all(row["alpha"] == 0.5 for row in rows(tmp_path).values())
        code, output = exitbench("recompute", results, "--alpha", "0.25", "--suite", suite)
        assert (code, "rows rewritten: 4" in output) == (0, True), output
        assert "'early' is not known here" in exitbench("check", results)[1]
        assert "early" not in exitbench("check", results, "--suite", suite)[1]
        (path,) = (results / "One" / "chat").glob("*.json")
        path.write_text(json.dumps(json.loads(path.read_text()) | {"early_share": 0.123}))
        assert "early_share: is 0.123, but its tokens give" in exitbench("check", results, "--suite", suite)[1]

    def test_columns_that_clash_are_refused_in_one_line(self, start, suite, arguments):
        suite.write_text(CLASH)
        code, output = self.pytest(start, suite, *arguments)
        assert code == 4
        problem = "ERROR: experiment 'early': the column 'skip_ratio' is taken by 'exits'; rename it"
        assert [line for line in output.splitlines() if line.startswith("ERROR")] == [problem]


class TestForeignSessions:
    """In a session that does not measure the plugin does nothing."""

    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        """A project with options and fixtures of its own, and a `models.yaml` that is something else."""
        (tmp_path / "models.yaml").write_text("models: [")
        (tmp_path / "conftest.py").write_text(
            "import pytest\n"
            "def pytest_addoption(parser):\n"
            "    parser.addoption('--device', default='theirs')\n"
            "@pytest.fixture\n"
            "def model(request):\n"
            "    return request.config.getoption('--device')\n"
        )
        (tmp_path / "test_theirs.py").write_text("def test_theirs(model):\n    assert model == 'abacus'\n")
        return tmp_path

    def run(self, start: Callable[..., subprocess.Popen[str]], project: Path, *more: str) -> tuple[int, str]:
        process = start("-m", "pytest", project, f"--rootdir={project}", "-p", "no:cacheprovider", *more)
        output, _ = process.communicate(timeout=60)
        return process.returncode, re.sub(r"in [0-9.]+s", "", output)

    def test_options_of_others_stay_theirs_and_nothing_is_added(self, start, project):
        code, output = self.run(start, project, "--device", "abacus")
        assert code == 0, output
        without = self.run(start, project, "--device", "abacus", "-p", "no:exitbench")
        assert output.replace("exitbench-0.1.0, ", "") == without[1].replace("exitbench-0.1.0, ", "")

    def test_a_suite_among_them_is_told_which_option_is_taken(self, start, project):
        (project / "test_mine.py").write_text("def test_mine(case):\n    pass\n")
        (project / "conftest.py").write_text((project / "conftest.py").read_text().partition("@pytest")[0])
        code, output = self.run(start, project)
        assert code != 0
        assert "--device is an option of another plugin" in output
