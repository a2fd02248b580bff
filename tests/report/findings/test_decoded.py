"""What rows of the decoding study say over models."""

from pathlib import Path
from typing import Any

import numpy as np
from strategies import row_of

from benchmark.report.findings.comparable_rows import comparable, table_of
from benchmark.report.findings.decoded import TABLE_1, can_be_had, damage


def table(*columns: dict[str, Any]) -> Any:
    plain = {
        "suite": "decoding",
        "architecture": "dense",
        "gate": "margin",
        "policy": "propagate",
        "skip_ratio": 0.1,
        "score_loss": 0.0,
    }
    rows = table_of((Path("a"), row_of(**plain | some)) for some in columns)
    return comparable(rows, "decoding").rows


def test_the_best_gate_of_each_workload_counts_and_the_oracle_does_not():
    found = can_be_had(
        table(
            {"skip_ratio": 0.3, "score_loss": 0.04, "threshold_asked": 0.9},
            {"skip_ratio": 0.5, "score_loss": 0.06, "threshold_asked": 0.5},
            {"skip_ratio": 0.9, "gate": "oracle"},
            {"skip_ratio": 0.1, "workload": "math"},
            {"skip_ratio": 0.6, "model": "other", "gate": "static"},
        )
    )
    assert found.models == 2
    assert found.value is not None and np.isclose(found.value, (0.2 + 0.6) / 2 - TABLE_1)


def test_models_of_one_lineage_are_drawn_together():
    tuned = [
        {"model": f"tuned{number}", "source": f"hub:lab/tuned{number}", "base_model": "lab/base"} for number in range(7)
    ]
    assert can_be_had(table(*tuned)).missing == "more models needed: 5"
    apart = [{"model": f"m{number}", "source": f"hub:lab/m{number}", "skip_ratio": number / 10} for number in range(7)]
    assert can_be_had(table(*apart)).low is not None


def test_failed_and_limited_rows_do_not_count():
    found = can_be_had(table({"limited": True}, {"status": "failed", "error": "no"}, {"suite": "oracle"}))
    assert (found.models, found.value) == (0, None)


def test_states_and_gates_are_told_apart():
    aimed = {"target_asked": 0.95}
    rows = table(
        {"gate": "oracle", "same_until": 0.9, "score_loss": 0.1},
        {"policy": "recompute", "same_until": 0.7, "score_loss": 0.3, **aimed},
        {"same_until": 0.6, "score_loss": 0.4, **aimed},
        {"same_until": 0.1, "score_loss": 0.9},  # of a threshold, and so of other prompts
    )
    found = {estimate.name: estimate.value for estimate in damage(rows)}
    assert {name: round(value or 0, 6) for name, value in found.items()} == {
        "text behind the first difference: missing states alone (oracle, propagate)": 0.1,
        "score: missing states alone (oracle, propagate)": 0.1,
        "text behind the first difference: the gate alone (recompute)": 0.3,
        "score: the gate alone (recompute)": 0.3,
        "text behind the first difference: both (propagate)": 0.4,
        "score: both (propagate)": 0.4,
    }
