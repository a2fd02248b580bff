"""`exitbench grid` on a real Ray cluster: nodes, drivers and tokens that fail at any moment."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from interpreters import python_without
from ray_nodes import RayNodes, is_gone, until

from benchmark.grid.worker import harness
from benchmark.inputs.packaged import PACKAGE

pytest.importorskip("ray", reason="needs the extra ray: pip install 'exitbench[ray]'")

MODELS = [f"tiny{number}" for number in range(6)]
WORKLOADS = ("math", "translation")
# Enough that there is a moment between the rows of a model.
ASKED = ["--study", "oracle", "--limit", "2", "--max-new-tokens", "30", *(f"--workload={name}" for name in WORKLOADS)]
HUGE = "- {id: lab/huge, parameters: 1000000000000000}\n"


@pytest.fixture(scope="module")
def models(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of six models, and of one that no machine can hold."""
    folder = tmp_path_factory.mktemp("models")
    for name in MODELS:
        shutil.copytree(tiny_folder, folder / name)
    (folder / "models.yaml").write_text("models:\n" + "".join(f"- path: {name}\n" for name in MODELS) + HUGE)
    return folder / "models.yaml"


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayNodes]:
    """A head of one CPU."""
    with tempfile.TemporaryDirectory() as folder:
        nodes = RayNodes(Path(folder), "c0ffee" * 8)
        yield nodes
        nodes.stop()


@pytest.fixture(scope="module")
def grid(cluster: RayNodes, models: Path, start: Callable[..., subprocess.Popen[str]]) -> Callable[..., Any]:
    """Begin `exitbench grid` on the cluster; keywords go to its environment."""

    def begin(*arguments: object, **environment: str) -> subprocess.Popen[str]:
        command = [Path(sys.executable).with_name("exitbench"), "grid", f"--model-file={models}"]
        command += [f"--address={cluster.address}", *ASKED, *map(str, arguments)]
        return start(*command, **{**cluster.environment, **environment})

    return begin


def rows_in(folder: Path) -> dict[Path, bytes]:
    """The rows of a folder, and what is in them."""
    return {path: path.read_bytes() for path in sorted(folder.glob("*/*/oracle-*.json"))}


def measuring(raylet: int) -> list[int]:
    """Processes of a node that measure."""
    below = psutil.Process(raylet).children()
    return [one.pid for one in below if one.name().startswith("ray::exitb") and not is_gone(one.pid)]


def locks_in(*folders: Path) -> list[Path]:
    return [lock for folder in folders for lock in folder.rglob(".*.case.lock")]


def hides_folders() -> bool:
    """Whether a process can be shown other folders than the rest of the system."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "true"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def story(cluster: RayNodes, grid: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A driver that is killed, a second one under which a node is killed, and a third that is interrupted."""
    results, own = tmp_path_factory.mktemp("results"), tmp_path_factory.mktemp("own")
    first = grid(f"--results-dir={results}")
    until(lambda: len(rows_in(results)) >= 3)
    workers = measuring(cluster.head)
    first.kill()
    told: dict[str, Any] = {"first": first.communicate()[0], "workers": workers}
    for pid in workers:
        until(lambda pid=pid: is_gone(pid))
    told["after the first"] = rows_in(results)

    options = {"hidden": results} if hides_folders() else {}
    second = cluster.add(environment={"TMPDIR": str(own)}, **options)
    process = grid(f"--results-dir={results}")
    # In the middle of a case: its claim lies in the node's own folder, or in the one for all.
    until(lambda: measuring(second) and locks_in(own, results))
    victims = measuring(second)
    os.kill(second, signal.SIGKILL)
    for pid in victims:
        until(lambda pid=pid: is_gone(pid), seconds=20)
    output, _ = process.communicate(timeout=300)
    told |= {"code": process.returncode, "second": output, "rows": rows_in(results), "sent": bool(options)}

    results = tmp_path_factory.mktemp("interrupted")
    process = grid(f"--results-dir={results}", "--model=tiny0", "--model=tiny1")
    until(lambda: rows_in(results))
    workers = measuring(cluster.head)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    left = [pid for pid in workers if not is_gone(pid)]
    told["interrupted"] = {"code": process.returncode, "output": output, "left": left, "locks": locks_in(results)}
    return told


class TestANodeIsKilledInTheMiddleOfACase:
    def test_all_cases_end_well(self, story):
        assert story["code"] == 0, story["second"]

    def test_every_row_is_there_once_and_whole(self, story):
        rows = [(path, json.loads(content)) for path, content in story["rows"].items()]
        assert Counter((row["model"], row["workload"]) for _, row in rows) == Counter(
            (model, workload) for model in MODELS for workload in WORKLOADS
        )
        for path, row in rows:
            tokens = hashlib.sha256(path.with_suffix(".parquet").read_bytes()).hexdigest()
            assert (row["status"], row["token_records_sha256"]) == ("ok", tokens)

    def test_what_was_lost_is_told_and_runs_elsewhere(self, story):
        assert "was lost (" in story["second"]
        assert "it runs again" in story["second"]

    def test_no_case_is_measured_twice(self, story):
        measured = [line.partition(":")[0] for line in story["second"].splitlines() if ": measured on " in line]
        assert len(measured) == len(set(measured)) == len(story["rows"]) - len(story["after the first"])

    def test_rows_of_a_node_that_does_not_see_the_folder_are_sent(self, story):
        if not story["sent"]:
            pytest.skip("this system hides no folder from a process")
        assert story["second"].count("it does not see the results folder, so rows are sent") == 1

    def test_nothing_of_ray_is_printed(self, story):
        assert "raylet" not in story["second"].casefold()
        assert "Traceback" not in story["second"]


def test_after_a_driver_that_was_killed_only_what_is_missing_runs(story):
    assert 3 <= len(story["after the first"]) < len(story["rows"])
    assert story["after the first"].items() <= story["rows"].items()
    assert f"{len(story['after the first'])} measured before" in story["second"]


def test_a_killed_driver_had_somebody_at_work(story):
    """Who is seen to end; else the story would tell nothing of it."""
    assert story["workers"]


def test_a_model_that_no_node_can_hold_is_named_and_the_others_go_on(story):
    (line,) = [line for line in story["second"].splitlines() if line.startswith("huge: ")]
    assert line.startswith("huge: cannot run on any node: needs about ")
    assert "use a larger machine" in line


def test_ctrl_c_ends_the_workers_and_frees_their_cases(story):
    ended = story["interrupted"]
    assert ended["code"] == 130
    assert ended["output"].endswith("exitbench: interrupted\n")
    assert "run the same command to go on" in ended["output"]
    assert "Traceback" not in ended["output"]
    assert (ended["left"], ended["locks"]) == ([], [])


def refused(process: subprocess.Popen[str]) -> str:
    """The one line that a command ends with which has measured nothing."""
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    lines = [line for line in output.splitlines() if line != "exitbench: looking at the nodes"]
    assert len(lines) == 1, output
    return lines[0]


def test_a_node_with_other_code_is_refused_by_name(cluster, grid, tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "benchmark", ignore=shutil.ignore_patterns("__pycache__", "assets"))
    with (tmp_path / "benchmark" / "ranks.py").open("a") as file:
        file.write("# another\n")
    node = cluster.add(environment={"PYTHONPATH": str(tmp_path)})
    try:
        line = refused(grid(f"--results-dir={tmp_path / 'results'}"))
    finally:
        os.kill(node, signal.SIGKILL)
    assert f"here is {harness()}; install the same on both" in line
    assert line.startswith("exitbench: node ")
    assert list((tmp_path / "results").iterdir()) == []


def test_a_node_without_the_package_is_refused_by_name(cluster, grid, tmp_path):
    node = cluster.add(python=python_without(tmp_path / "python", "exitbench"))
    try:
        line = refused(grid(f"--results-dir={tmp_path / 'results'}"))
    finally:
        os.kill(node, signal.SIGKILL)
    assert f"exitbench is not installed there; install {harness()} on every node" in line


def test_a_wrong_token_is_told_in_a_line(grid, tmp_path):
    line = refused(grid(f"--results-dir={tmp_path}", RAY_AUTH_TOKEN="5ca1ab1e" * 6))
    assert "the cluster refuses the token; give the one it was started with, in RAY_AUTH_TOKEN" in line


def test_a_folder_that_cannot_be_written_is_told_before_a_cluster_is_asked(grid, tmp_path):
    (tmp_path / "file").write_text("")
    line = refused(grid(f"--results-dir={tmp_path / 'file' / 'results'}"))
    assert line.startswith(f"exitbench: --results-dir: cannot write to {tmp_path / 'file' / 'results'}: ")
