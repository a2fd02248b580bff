"""Whole rows of a workload that is a task of lm-evaluation-harness, of both studies."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from lm_eval_files import write_tasks
from measured import fresh_job, path_of

from benchmark.cases.case import Case
from benchmark.cases.job import Job, run_job
from benchmark.cases.resources import Resources
from benchmark.errors import CannotRun
from benchmark.inputs.settings import GatedSettings
from benchmark.inputs.workload_entry import load_workload
from benchmark.metrics.scoring import Scoring
from benchmark.results.store import Store

WORKLOAD = """
name: sums
description: sums with two examples
source: {lm_eval: sums, include_path: tasks, metric: "exact_match,flexible-extract"}
kind: completion
prompts: 5
max_new_tokens: 5
licence: CC0
"""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    write_tasks(tmp_path / "tasks")
    (tmp_path / "sums.yaml").write_text(WORKLOAD)
    return replace(fresh_job(tmp_path), workload=load_workload(tmp_path / "sums.yaml"))


@pytest.mark.parametrize("gated", [None, GatedSettings.of("static=1", "propagate")])
def test_the_row_has_the_score_of_the_task(job, gated, tmp_path):
    pytest.importorskip("lm_eval", reason="needs the extra: pip install 'exitbench[lm-eval]'")
    job, store = replace(job, gated=gated), Store(tmp_path / "results")
    row = run_job(job, store)
    assert (row.status, row.scorer, row.score_missing, row.score_errors) == ("ok", "lm_eval", None, [])
    assert row.lm_eval_task == "sums 3.0, 2-shot, exact_match,flexible-extract"
    assert (row.stop, row.prompts) == (["Question:", "</s>"], 5)
    assert row.score is not None and 0 <= row.score <= 1
    assert Case(path_of(job, store), row)


def test_it_is_scored_anew_without_the_extra(job, tmp_path, monkeypatch):
    pytest.importorskip("lm_eval", reason="needs the extra: pip install 'exitbench[lm-eval]'")
    store, resources = Store(tmp_path / "results"), Resources()
    first = run_job(job, store, resources=resources)
    again = run_job(replace(job, scoring=Scoring(alpha=0.25)), store, resources=resources)
    assert (again.alpha, again.score, again.configuration) == (0.25, first.score, first.configuration)


def test_without_the_extra_the_workload_cannot_run(job, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(CannotRun, match=r"lm-evaluation-harness is not installed; pip install 'exitbench\[lm-eval\]'"):
        run_job(job, Store(tmp_path / "results"))
    assert not list(tmp_path.rglob("*.json")) or not list((tmp_path / "results").rglob("oracle-*.json"))
