"""Sessions that are stopped at any moment: rows are whole or absent, and the same command goes on."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXPERIMENTS = ["answers", "bounds", "exits", "gates", "halves", "layers", "speculation", "suitability", "words"]
WORKLOADS = ("chat", "humaneval", "translation")
# Forked from a process that has imported torch, so that most of a session's time is measuring.
_SESSIONS = """
import hashlib, json, os, random, signal, sys, time
import pytest
import benchmark.interface.pytest_session, benchmark.interface.summary, benchmark.results.table  # what takes long
from pathlib import Path
arguments, rounds = json.loads(sys.argv[1]), int(sys.argv[2])
random.seed(7)
told = []

folder = Path(arguments[arguments.index("--results-dir") + 1])

def session(log, rows=None, number=None):
    # Stopped a moment after it has written so many rows; with 0 rows, a moment after it has collected.
    log.write_text("")
    child = os.fork()
    if child == 0:
        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(sink, 1), os.dup2(sink, 2)
        code = int(pytest.main(arguments))
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)
    if rows is not None:
        while len(list(folder.rglob("oracle-*.json"))) < rows or not (rows or "collected" in log.read_text()):
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.15))
        os.kill(child, number)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

code = session(folder.with_name("whole.log"))
for round in range(rounds):
    for path in [*folder.rglob("*.json"), *folder.rglob("*.parquet")]:
        path.unlink()
    number = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)[round % 3]
    log = folder.with_name(f"{round}.log")
    ended = session(log, 1 if round % 3 and round < 3 else random.choice((0, 1, 2)), number)
    rows = [(path, json.loads(path.read_text())) for path in folder.rglob("oracle-*.json")]
    told.append({"signal": number.name, "code": ended, "log": log.read_text(), "rows": [
        {"experiments": row["experiments"], "status": row["status"], "sha256": row["token_records_sha256"],
         "tokens": hashlib.sha256(path.with_suffix(".parquet").read_bytes()).hexdigest()}
        for path, row in rows
    ]})
final = session(folder.with_name("final.log"))
print(json.dumps({"first": code, "stopped": told, "final": final, "log": folder.with_name("final.log").read_text()}))
"""


@pytest.fixture(scope="module")
def ended(
    tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory, start: Callable[..., subprocess.Popen[str]]
) -> dict[str, Any]:
    """What six sessions left that were stopped at random moments, and one that was not."""
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "models.yaml").write_text(f"models: [{{path: {tiny_folder}, name: Tiny}}]")
    arguments = ["suites/", "-p", "no:cacheprovider", "--model-file", str(folder / "models.yaml")]
    arguments += ["--results-dir", str(folder / "results"), "--limit", "2", "--max-new-tokens", "40"]
    arguments += ["--study", "oracle"]
    arguments += [part for workload in WORKLOADS for part in ("--workload", workload)]
    process = start("-c", _SESSIONS, json.dumps(arguments), "6")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return json.loads(output.splitlines()[-1])


def test_every_row_is_whole_with_its_tokens(ended):
    assert ended["first"] == 0
    rows = [row for one in ended["stopped"] for row in one["rows"]]
    assert rows
    for row in rows:
        assert (row["status"], row["experiments"], row["sha256"]) == ("ok", EXPERIMENTS, row["tokens"])


def test_some_were_stopped_before_they_were_through(ended):
    """Else the test would say nothing."""
    assert any(0 < len(one["rows"]) < len(WORKLOADS) for one in ended["stopped"])


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_where_the_process_lives_on_it_says_how_far_it_is_and_how_to_go_on(ended, signal):
    stopped = [one for one in ended["stopped"] if one["signal"] == signal and one["code"] == 2]
    told = [one for one in stopped if "exitbench results" in one["log"]]
    assert told
    for one in told:
        complete = f"interrupted: {len(one['rows'])} of {len(WORKLOADS)} complete; run the same command to go on"
        assert complete in one["log"]


def test_the_same_command_completes_them(ended):
    assert ended["final"] == 0
    assert " failed" not in ended["log"].split("exitbench results")[-1].replace(" 0 failed", "")


@pytest.fixture(scope="module")
def models(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of one tiny model, in a folder whose name is a pattern to some."""
    file = tmp_path_factory.mktemp("models") / "of [mine]::*" / "models.yaml"
    file.parent.mkdir()
    file.write_text(f"models: [{{path: {tiny_folder}, name: Tiny}}]")
    return file


def test_ctrl_c_ends_the_command_with_130_and_what_there_is(models, start):
    arguments = ["run", "Tiny", "--model-file", models, "--results-dir", models.parent / "~", "--workload", "chat"]
    arguments += ["--study", "oracle"]
    process = start("-m", "benchmark", *arguments)
    for line in process.stdout:
        if "loading from" in line:  # there are seconds to go
            process.send_signal(signal.SIGINT)
            break
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert " of 1 complete; run the same command to go on" in output
    assert "Traceback" not in output


# The table of the second session is longer than any file may be, its row is not.
_NO_ROOM = """
import json, resource, signal, sys
import pytest
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), -1))
sys.exit(pytest.main(json.loads(sys.argv[2])))
"""


@pytest.mark.parametrize("size", [10000, 100])
def test_a_disk_that_is_full_fails_every_case_in_one_line_and_the_summary_comes(size, models, start):
    results = models.parent / f"results {size}"
    arguments = ["suites/test_exits.py", "-p", "no:cacheprovider", f"--model-file={models}"]
    arguments += [f"--results-dir={results}", "--limit=4", "--max-new-tokens=40", "--workload=chat", "--workload=math"]
    process = start("-c", _NO_ROOM, str(size), json.dumps([*arguments, "-s"]))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in output
    assert output.count("cannot be written: ") >= 2
    assert "2 failed" in output
    assert f"{2 if size == 10000 else 0} rows, " in output
    rows = [json.loads(path.read_text()) for path in results.rglob("oracle-*.json")]
    assert [row["status"] for row in rows] == ["failed"] * (2 if size == 10000 else 0)
    assert list(results.rglob("*.parquet")) == []
