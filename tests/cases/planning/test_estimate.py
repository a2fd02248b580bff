"""About how long jobs take, going by rows."""

from typing import Any

import pytest
from strategies import row_of

from benchmark.cases.job import Job
from benchmark.cases.planning.estimate import estimate
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.settings import CaptureSettings, GatedSettings
from benchmark.metrics.scoring import Scoring
from benchmark.results.row import Row

WORKLOADS = {workload.name: workload for workload in load_workloads()}
MARGIN = GatedSettings.of("margin@0.95", "propagate")


def job(workload: str = "math", gated: GatedSettings | None = None, limit: int | None = None, **entry: Any) -> Job:
    model = ModelEntry(id="lab/m", name="m", parameters=2000, **entry)
    return Job(model, WORKLOADS[workload], CaptureSettings(limit=limit, max_new_tokens=10), Scoring(), gated=gated)


def row(**columns: Any) -> Row:
    """A row of 10 prompts of 10 tokens, a second each token, of a model of 1000 parameters."""
    plain = {"model": "other", "workload": "chat", "parameters": 1000, "case_seconds": 100.0, "load_seconds": None}
    return row_of(**{**plain, "prompts": 10, "max_new_tokens": 10, "tokens": 70, **columns})


TOKENS = 10 * WORKLOADS["math"].prompts


def seconds(jobs: list[Job], rows: list[Row]) -> float:
    found = estimate(jobs, rows)
    assert found is not None
    return found.seconds


def test_without_rows_or_jobs_nothing_is_known():
    assert estimate([job()], []) is None
    assert estimate([], [row()]) is None
    assert estimate([job()], [row(case_seconds=None, generate_seconds=None, oracle_seconds=None)]) is None


def test_others_tell_by_tokens_and_parameters():
    assert seconds([job()], [row()]) == pytest.approx(2 * TOKENS)


def test_the_model_itself_tells_more():
    assert seconds([job()], [row(), row(model="m", case_seconds=300.0)]) == pytest.approx(3 * TOKENS)


def test_what_every_model_takes_does_not_grow_with_its_size():
    rows = [row(case_seconds=100.0 * (5 + size), parameters=1000 * size) for size in (1, 3, 4)]
    assert seconds([job()], rows) == pytest.approx((5 + 2) * TOKENS)


def test_larger_models_that_were_faster_make_none_take_less_than_nothing():
    rows = [row(case_seconds=1000.0, parameters=100), row(case_seconds=100.0, parameters=1000)]
    assert 0 < seconds([job()], rows) < 10 * TOKENS


def test_loading_counts_once():
    rows = [row(load_seconds=7.0), row(load_seconds=9.0)]
    assert seconds([job(), job("chat")], rows) - seconds([job(), job("chat")], [row()]) == pytest.approx(2 * 8)


@pytest.mark.parametrize(
    ("asked", "better"),
    [
        (job(limit=4), {"limited": True}),
        (job(), {"workload": "math"}),
        (job(), {"signals_asked": "sample"}),
        (job(gated=MARGIN), {"suite": "decoding", "gate": "margin", "policy": "propagate"}),
    ],
)
def test_rows_that_are_alike_tell_alone(asked: Job, better: dict[str, Any]):
    found = estimate([asked], [row(signals_asked="all"), row(**{"signals_asked": "all", **better}, case_seconds=500.0)])
    assert found is not None
    assert found.rows == 1
    tokens = 10 * (asked.capture.limit or asked.workload.prompts)
    assert found.seconds == pytest.approx(5 * 2 * tokens)


def test_prompts_that_chose_a_threshold_count():
    decoded = row(suite="decoding", gate="margin", policy="propagate", prompts=5, calibration_prompts=5)
    assert seconds([job(gated=MARGIN)], [decoded]) == pytest.approx(2 * TOKENS)


def test_rows_without_the_time_of_a_case_tell_that_of_its_parts():
    assert seconds([job()], [row(case_seconds=None, generate_seconds=80.0, oracle_seconds=20.0)]) == pytest.approx(
        2 * TOKENS
    )


def test_a_model_of_unknown_size_is_told_by_its_own_rows_only():
    unknown = Job(ModelEntry(id="lab/m", name="m"), WORKLOADS["math"], CaptureSettings(max_new_tokens=10), Scoring())
    assert estimate([unknown], [row()]) is None
    assert seconds([unknown], [row(model="m")]) == pytest.approx(TOKENS)
