"""The study of the clock on tiny models: whole rows, in which everything but the seconds is known beforehand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from folders import read_row
from measured import fresh_job, measure, path_of
from submissions import verdicts

from benchmark.cases.job import Job, run_job
from benchmark.cases.resources import Resources
from benchmark.cases.studies import clock
from benchmark.clock import deferred
from benchmark.errors import InputError, MeasurementError
from benchmark.inputs.settings import ClockSettings, GatedSettings
from benchmark.metrics.experiments.exits import EXITS
from benchmark.report.findings.comparable_rows import comparable, read
from benchmark.results.recompute import recompute
from benchmark.results.row import Row
from benchmark.results.store import Store, read_trace
from benchmark.trace.timed import Timed

SMALL: dict[str, Any] = {"limit": 4, "max_new_tokens": 6}
GATE = GatedSettings.of("margin=0.3", "recompute")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that keeps the models of all tests."""
    return tmp_path_factory.mktemp("models")


def timed(place: Path, results: Path, clock: ClockSettings, kind: str = "dense", **settings: Any) -> tuple[Row, Timed]:
    """The row of a case, and its record."""
    job, store = fresh_job(place, kind, kind, clock=clock, **{**SMALL, **settings}), Store(results)
    row = run_job(job, store)
    record = Timed.read_parquet(path_of(job, store).with_suffix(".parquet"))
    return row, record


def test_one_text_at_a_time_is_timed_in_every_way(place: Path, tmp_path: Path):
    row, record = timed(place, tmp_path, ClockSettings(gate=GATE))
    assert [timing.way for timing in record.clocked.timings] == [
        *("generate", "full", "replay", "deferred_full", "deferred_oracle", "deferred_gate")
    ]
    assert row.replay_differing == 0 and record.replayed.all()
    assert (row.batch_size, row.tokens, row.prompts) == (1, 4 * 5, 4)
    assert sum(row.deferred_pending or []) == 4 * 5
    assert row.drafted_rounds and row.drafted_predicted and len(row.drafted_rounds) == len(row.drafted_predicted)
    assert (row.alone_missing, row.deferred_missing, row.drafted_missing) == (None, None, None)
    assert row.threshold == 0.3


def test_a_batch_leaves_together_and_alone(place: Path, tmp_path: Path):
    row, record = timed(place, tmp_path, ClockSettings(batch_size=3))
    assert [timing.way for timing in record.clocked.timings] == ["generate", "full", "replay", "replay_alone"]
    assert row.batch_size == 3 and row.synchronization_loss is not None and row.drafted_speedups is None
    assert sorted(set(record.group.tolist())) == [0, 1]


def test_exits_are_those_of_the_oracle_study_behind_the_first_token(place: Path, tmp_path: Path):
    _, record = timed(place, tmp_path, ClockSettings())
    job, store = fresh_job(place, "dense", "dense", **SMALL), Store(tmp_path)
    trace = read_trace(path_of(job, store), run_job(job, store))
    later = trace.position > 0
    assert record.exit_layer.tolist() == (trace.matches[later].argmax(axis=1) + 1).tolist()
    assert record.token.tolist() == trace.target[later].tolist()


@pytest.mark.parametrize("kind", ["moe", "ssm", "hybrid", "encoder-decoder"])
def test_every_kind_is_replayed_and_says_what_it_cannot_be_timed_in(kind: str, place: Path, tmp_path: Path):
    row, _ = timed(place, tmp_path, ClockSettings(gate=GATE), kind)
    assert row.replay_differing == 0
    assert (row.deferred_missing is None) == (kind == "moe")
    assert (row.drafted_speedups is None) == (row.drafted_missing is not None)


def test_a_target_is_reached_by_half_of_the_prompts_and_timed_on_the_others(place: Path, tmp_path: Path):
    gate = GatedSettings.of("margin@0.3", "recompute")
    row, record = timed(place, tmp_path, ClockSettings(gate=gate))
    by_gate = record.clocked.of("deferred_gate")
    assert by_gate is not None and row.calibration_prompts == 2 and len(by_gate.groups) == 2


def test_a_target_that_no_threshold_reaches_is_told_and_the_rest_is_timed(place: Path, tmp_path: Path):
    gate = GatedSettings.of("margin@1", "recompute")
    row, _ = timed(place, tmp_path, ClockSettings(gate=gate), limit=1)
    assert (row.deferred_missing or "").startswith("of a gate: a target is chosen by half of the prompts")
    assert row.deferred_speedup_oracle is not None and row.deferred_speedup is None


def test_a_gate_that_has_no_text_to_decide_about_is_not_timed(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    known = clock._texts
    monkeypatch.setattr(clock, "_texts", lambda *given: [text for text in known(*given) if text.number % 2 == 0])
    row, _ = timed(place, tmp_path, ClockSettings(gate=GatedSettings.of("margin@0.3", "recompute")))
    assert row.deferred_missing == "of a gate: no text that it would decide about has a second token"
    assert row.threshold is None and row.deferred_speedup_oracle is not None


def test_what_cannot_be_proven_is_not_timed(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deferred, "_sliced", lambda value, shown, kept: value)
    row, _ = timed(place, tmp_path, ClockSettings(gate=GATE))
    assert (row.deferred_missing or "").startswith("deferred decoding: ") and row.deferred_speedup_oracle is None


@pytest.mark.parametrize(
    ("kind", "settings", "reason"),
    [
        ("dense", {"max_new_tokens": 1}, "no text has a second token"),
        ("encoder", {}, "encoders write no text"),
    ],
)
def test_what_has_no_steps_is_refused(kind: str, settings: dict[str, Any], reason: str, place: Path, tmp_path: Path):
    with pytest.raises(MeasurementError, match=reason):
        timed(place, tmp_path, ClockSettings(), kind, **settings)


def test_a_job_is_of_one_study(place: Path):
    job = fresh_job(place, "dense", "dense", clock=ClockSettings(), **SMALL)
    with pytest.raises(InputError, match="job: gated, clock: a job is of one study"):
        replace(job, gated=GATE)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size: must be a whole number of at least 1, not 0"),
        ({"rounds": 2}, "rounds: must be at least 3"),
        ({"max_pending": -1}, "max_pending: must be a whole number of at least 1"),
        ({"gate": GatedSettings.of("oracle", "recompute")}, "gate: oracle-recompute is not timed"),
        ({"gate": GatedSettings.of("margin=0.5", "propagate")}, "gate: margin=0.5-propagate is not timed"),
    ],
)
def test_settings_outside_their_ranges_are_refused(settings: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        ClockSettings(**settings)


def test_a_row_is_an_honest_one_computed_again_and_ranked_with_no_other(tmp_path: Path):
    path = measure(tmp_path, clock=ClockSettings(gate=GATE), **SMALL)
    (fault,) = [fault for verdict in verdicts(tmp_path / "results") for fault in verdict.faults]
    assert fault.column == "max_new_tokens" and fault.problem.startswith("is 6, and a full run")
    before = read_row(path)
    list(recompute(tmp_path / "results"))
    assert read_row(path) == before
    assert comparable(read(tmp_path / "results")[0]).rows.empty
    assert before is not None and before.skip_ratio is not None and '"eas"' not in path.read_text()


def test_another_machine_is_another_file(place: Path, monkeypatch: pytest.MonkeyPatch):
    job = fresh_job(place, "dense", "dense", clock=ClockSettings(), **SMALL)
    here = path_of(job, Store(place))
    monkeypatch.setattr("benchmark.models.hardware.accelerator", lambda device: "another machine")
    assert path_of(job, Store(place)) != here
    other = fresh_job(place, "dense", "dense", **SMALL)
    assert EXITS.name and path_of(other, Store(place)) != here


def test_shared_texts_are_decoded_once(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    resources, store = Resources(), Store(tmp_path)
    jobs: list[Job] = [fresh_job(place, "dense", "dense", clock=ClockSettings(size), **SMALL) for size in (1, 4)]
    captured: list[int] = []
    capture = clock.capture_proven
    monkeypatch.setattr(clock, "capture_proven", lambda *given: captured.append(1) or capture(*given))
    for job in jobs:
        run_job(job, store, resources=resources)
    assert captured == [1]
