"""What runs on a node, run here: the messages it gives, and the rows in them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from measured import fresh_job

from benchmark.cases.job import Job, run_job
from benchmark.errors import InputError
from benchmark.grid.work import CellEnded, CellOutcome, CellStarted, GridSettings, ModelWork
from benchmark.grid.worker import describe, looker, measure
from benchmark.inputs.workload_entry import Cell
from benchmark.results.row import Row
from benchmark.results.store import Store

_DIFFERS = ("seconds", "memory", "started", "overhead")
"""Parts of the names of columns that differ from run to run."""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return fresh_job(tmp_path_factory.mktemp("world"))


@pytest.fixture
def asked(job: Job, tmp_path: Path) -> GridSettings:
    return GridSettings(replace(job.capture, limit=2), "cpu", False, tmp_path / "results")


def told(job: Job, asked: GridSettings, shared: bool, finished: frozenset = frozenset(), **workload: object) -> list:
    cell = Cell(job.workload.model_copy(update=workload))
    return list(measure(ModelWork(job.entry, {7: cell}), asked, 1, shared, finished))


def steady(row: Row) -> dict:
    """The columns of a row that are the same each time."""
    return {name: value for name, value in row.model_dump().items() if not any(part in name for part in _DIFFERS)}


def test_a_row_that_is_sent_is_that_of_run_job(job: Job, asked: GridSettings, tmp_path: Path):
    started, ended = told(job, asked, shared=False)
    assert (started, ended.number, ended.outcome) == (CellStarted(7), 7, CellOutcome.MEASURED)
    store, plain = Store(tmp_path / "sent"), Store(tmp_path / "plain")
    taken = store.take(store.path(*ended.sent.place), Row.model_validate_json(ended.sent.row), ended.sent.tokens)
    row = run_job(replace(job, capture=asked.capture), plain)
    assert steady(taken) == steady(row)
    assert store.read(store.path(*ended.sent.place)) == taken
    assert not asked.results.exists()


def test_what_the_driver_has_is_not_measured_again(job: Job, asked: GridSettings):
    _, first = told(job, asked, shared=False)
    _, second = told(job, asked, shared=False, finished=frozenset({first.sent.place}))
    assert second == CellEnded(7, CellOutcome.BEFORE)


def test_in_a_folder_that_all_see_rows_lie_and_nothing_is_sent(job: Job, asked: GridSettings):
    assert told(job, asked, shared=True)[1:] == [CellEnded(7, CellOutcome.MEASURED)]
    assert told(job, asked, shared=True)[1:] == [CellEnded(7, CellOutcome.BEFORE)]
    assert len(list(asked.results.rglob("oracle-*.json"))) == 1


def test_a_case_that_fails_says_why_and_its_row_is_sent(job: Job, asked: GridSettings):
    # More than the model has positions for.
    asked = replace(asked, capture=replace(asked.capture, max_new_tokens=100_000))
    _, ended = told(job, asked, shared=False)
    assert ended.outcome == CellOutcome.FAILED
    row = json.loads(ended.sent.row)
    assert (row["status"], ended.sent.tokens) == ("failed", None)
    assert ended.reason == f"{row['error']} (--max-new-tokens)"


def test_a_workload_that_does_not_go_with_the_model_is_no_failure(job: Job, asked: GridSettings):
    _, ended = told(job, asked, shared=False, kind="masked")
    assert (ended.outcome, ended.sent) == (CellOutcome.CANNOT, None)
    assert ended.reason


def test_a_row_that_is_not_what_its_place_says_is_refused(job: Job, asked: GridSettings, tmp_path: Path):
    _, ended = told(job, asked, shared=False)
    store, row = Store(tmp_path / "sent"), Row.model_validate_json(ended.sent.row)
    with pytest.raises(InputError, match="a row was sent without the tokens it was computed from"):
        store.take(store.path(*ended.sent.place), row, b"others")
    with pytest.raises(InputError, match="a row was sent for it that is not its own"):
        store.take(store.path("other", *ended.sent.place[1:]), row, ended.sent.tokens)
    assert list((tmp_path / "sent").rglob("*.json")) == []


def test_a_row_that_is_there_stays(job: Job, asked: GridSettings, tmp_path: Path):
    _, ended = told(job, asked, shared=False)
    store, row = Store(tmp_path / "sent"), Row.model_validate_json(ended.sent.row)
    path = store.path(*ended.sent.place)
    store.take(path, row, ended.sent.tokens)
    before = path.stat().st_mtime_ns
    assert store.take(path, row.model_copy(update={"generate_seconds": 99.0}), ended.sent.tokens) == row
    assert path.stat().st_mtime_ns == before


def test_a_machine_says_of_each_model_what_it_takes_or_what_is_missing(job: Job, asked: GridSettings):
    gone = job.entry.model_copy(update={"name": "gone", "path": "nowhere"})
    host = describe([job.entry, gone], [Cell(job.workload)], asked, 1)
    assert (host.device, host.gpu_memory) == ("cpu", None)
    assert host.outlooks["tiny"].memory > 0
    assert host.outlooks["tiny"].missing == ""
    assert "nowhere" in host.outlooks["gone"].missing


def test_who_does_not_find_the_mark_does_not_see_the_folder(tmp_path: Path):
    (tmp_path / "mark").write_text("")
    look = looker()
    assert look(tmp_path / "mark")[1]
    assert not look(tmp_path / "other")[1]
    assert not look(tmp_path / "nowhere" / "mark")[1]
