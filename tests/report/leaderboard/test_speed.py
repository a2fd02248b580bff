"""Ten thousand rows: the leaderboard is written in seconds. EXITBENCH_SPEED=1 also asserts the times."""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from strategies import row_of

from benchmark.report.board.rows import LISTS
from benchmark.results.row import Row

MODELS = 1429
WORKLOADS = ("chat", "code", "math", "questions", "summaries", "translation", "writing")
LAYERS = 32
_COMMAND = """
import argparse, resource, sys, time
start = time.perf_counter()
from benchmark.interface.commands import leaderboard
parser = argparse.ArgumentParser()
leaderboard.add(parser.add_subparsers())
options = parser.parse_args(["leaderboard", *sys.argv[1:]])
code = options.run(options)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """10 003 rows, with the lists that rows have."""
    folder = tmp_path_factory.mktemp("results")
    curve = [layer / LAYERS for layer in range(LAYERS)]
    lists = dict.fromkeys((name for name in LISTS if Row.model_fields[name].annotation == list[float] | None), curve)
    text = row_of(
        model="MODEL", workload="WORKLOAD", architecture="dense", num_layers=LAYERS, eas=0.25, skip_ratio=0.3, **lists
    ).model_dump_json(indent=1)
    for number in range(MODELS):
        (folder / f"model-{number}").mkdir()
        for workload in WORKLOADS:
            content = text.replace("MODEL", f"model-{number}").replace("WORKLOAD", workload)
            content = content.replace("0.25", f"0.{100 + number % 800}")
            (folder / f"model-{number}" / f"{workload}-0123abcd.json").write_text(content, encoding="utf-8")
    yield folder
    # Or the next three sessions would wait for pytest to remove them.
    shutil.rmtree(folder)


def test_they_are_all_listed(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    ended = subprocess.run(
        [sys.executable, "-c", _COMMAND, results, "--output", tmp_path],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    seconds, megabytes = map(float, ended.stdout.split()[-2:])
    with capsys.disabled():
        print(f"\nleaderboard of {MODELS * 7} rows: {seconds:.1f} s, {megabytes:.0f} MB")
    for name, count in (("models.csv", MODELS), ("rows.csv", MODELS * 7)):
        with (tmp_path / name).open(encoding="utf-8", newline="") as stream:
            assert sum(1 for _ in csv.DictReader(stream)) == count
    if os.environ.get("EXITBENCH_SPEED"):
        assert seconds < 15
        assert megabytes < 1000
