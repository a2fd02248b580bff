"""Several processes write to one results folder, and some are killed: nothing is lost and nothing is torn."""

import io
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pandas as pd
import pytest
from folders import Content, read_row
from strategies import row_of
from writers import SHARED, add_experiments, write_forever, write_rows

from benchmark.results.store import Store, sha256
from benchmark.results.table import read_rows
from benchmark.results.versions import Standing, inventory

PROCESSES, ROWS = 8, 200


@pytest.fixture(scope="module")
def start() -> Callable[..., BaseProcess]:
    """Start a process that runs a function of `writers`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["writers"])  # so that pandas is imported once

    def begin(function: Callable[..., None], *arguments: object) -> BaseProcess:
        process = context.Process(target=function, args=arguments)
        process.start()
        return process

    return begin


def wait(processes: list[BaseProcess]) -> None:
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def test_eight_processes_with_two_hundred_rows_each(tmp_path: Path, start: Callable[..., BaseProcess]):
    processes = [start(write_rows, tmp_path, number, ROWS) for number in range(PROCESSES)]
    torn = []
    while any(process.is_alive() for process in processes):
        # Whoever reads meanwhile sees whole files only.
        torn += [found for found in inventory(tmp_path) if found.standing != Standing.CURRENT]
        if (tmp_path / "table.csv").exists():
            table = pd.read_csv(io.StringIO((tmp_path / "table.csv").read_text()))
            torn += [] if table["accelerator"].notna().all() else ["table.csv"]
        time.sleep(0.05)
    wait(processes)

    assert torn == []
    rows = list(read_rows(tmp_path))
    expected = {(f"model-{process}", f"{row:08x}") for process in range(PROCESSES) for row in range(ROWS)}
    assert {(row.model, row.configuration) for row in rows} == expected | {(SHARED[0], SHARED[3])}
    assert len(pd.read_csv(tmp_path / "table.csv")) == len(rows) == PROCESSES * ROWS + 1
    with_tokens = [found for found in inventory(tmp_path) if found.row and found.row.token_records_sha256]
    assert len(with_tokens) == PROCESSES * ROWS // 5 + 1
    for found in with_tokens:
        assert found.row is not None
        assert sha256(found.path.with_suffix(".parquet")) == found.row.token_records_sha256
    assert list(tmp_path.rglob(".*")) == []  # no draft and no lock is left


def test_changes_of_one_row_add_up(tmp_path: Path, start: Callable[..., BaseProcess]):
    store = Store(tmp_path)
    store.write(store.path(*SHARED), row_of(model=SHARED[0], configuration=SHARED[3]))
    wait([start(add_experiments, tmp_path, number, 25) for number in range(4)])
    row = read_row(store.path(*SHARED))
    assert row is not None
    assert sorted(row.experiments) == sorted(f"{process}-{number}" for process in range(4) for number in range(25))


def test_killed_writers_leave_whole_files_and_stop_nobody(tmp_path: Path, start: Callable[..., BaseProcess]):
    store = Store(tmp_path)
    for delay in (0.0, 0.003, 0.007, 0.011):
        (tmp_path / "started").unlink(missing_ok=True)
        process = start(write_forever, tmp_path)
        while not (tmp_path / "started").exists():
            time.sleep(0.001)
        time.sleep(delay)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(60)
        left = read_row(store.path(*SHARED))  # killed between the two files, it leaves no row, and never half of one
        if left is not None:
            assert sha256(store.path(*SHARED).with_suffix(".parquet")) == left.token_records_sha256
        assert left is not None or not store.path(*SHARED).exists()
    row = row_of(model=SHARED[0], configuration=SHARED[3], family="after")
    store.write(store.path(*SHARED), row, Content(b"tokens"))
    written = read_row(store.path(*SHARED))
    assert written is not None
    assert (written.family, sha256(store.path(*SHARED).with_suffix(".parquet"))) == (
        "after",
        written.token_records_sha256,
    )
    assert list(tmp_path.rglob(".*.lock")) == []
