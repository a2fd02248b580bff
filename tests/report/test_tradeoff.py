"""What may be skipped within a loss of score, over the thresholds that were measured."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from strategies import row_of

from benchmark.metrics.experiments.decoding.loss import max_skip_ratio_at_loss
from benchmark.report.ladder import ladders
from benchmark.report.tradeoff import as_text, tradeoffs
from benchmark.results.row import Row

POINTS = st.lists(st.tuples(st.floats(0, 1), st.floats(-1, 1)), max_size=8)


def decoded(skip: float, loss: float | None, **columns: Any) -> Row:
    plain = {"suite": "decoding", "gate": "margin", "policy": "propagate", "check_every": 1, "min_exit_layer": 1}
    return row_of(**plain | {"skip_ratio": skip, "score_loss": loss} | columns)


@given(POINTS, st.floats(0, 1))
def test_it_is_one_of_the_skip_ratios_that_keep_the_bound_and_the_largest(points, most):
    found = max_skip_ratio_at_loss([skip for skip, _ in points], [loss for _, loss in points], most)
    kept = [skip for skip, loss in points if loss <= most]
    assert found == (max(kept) if kept else 0)


def test_gates_policies_and_looks_are_told_apart():
    rows = [
        decoded(0.1, 0.0),
        decoded(0.3, 0.04),
        decoded(0.5, 0.2),
        decoded(0.2, 0.0, policy="copy"),
        decoded(0.4, 0.0, check_every=4),
        decoded(0.4, 0.005, gate="oracle"),
    ]
    found = {(one["gate"], one["policy"], one["check_every"]): one for one in tradeoffs(rows)}
    assert len(found) == 4
    one = found["margin", "propagate", 1]
    assert one["thresholds"] == 3
    assert (one["max_skip_ratio_at_loss 1 %"], one["max_skip_ratio_at_loss 5 %"]) == (0.1, 0.3)


def test_only_rows_of_the_study_that_have_a_loss_count():
    rows = [row_of(skip_ratio=0.9), decoded(0.5, None), decoded(0.2, 0.0, status="failed", error="no")]
    assert tradeoffs(rows) == []


def test_the_ladder_is_of_the_other_study():
    assert [one["workload"] for one in ladders([decoded(0.1, 0.0), row_of(workload="math")])] == ["math"]


def test_the_table_marks_what_is_limited():
    lines = as_text(tradeoffs([decoded(0.123, 0.0, limited=True)])).splitlines()
    assert lines[1].split() == ["tiny", "chat*", "margin", "propagate", "1", "0.123", "0.123"]
    assert lines[-1] == "* limited: not the prompts of a full run"
