"""The ladder of a case: its steps, what is missing, and what it says of itself."""

from strategies import row_of

from benchmark.report.ladder import STEPS, as_text, ladders

FULL = {
    "speedup_bound_layers": 1.5,
    "speedup_bound_head": 1.4,
    "speedup_bound_kv": 1.3,
    "speedup_bound_settled": 1.2,
    "gate_speed_95": 1.15,
    "gate_speed_99": 1.05,
    "gate_99": "margin",
    "speedup_speculation": 0.9,
}


def test_every_row_that_went_well_has_one():
    found = ladders([row_of(**FULL), row_of(status="failed", error="no"), row_of(workload="math")])
    assert [one["workload"] for one in found] == ["chat", "math"]
    assert [found[0][step] for step in STEPS] == [1.5, 1.4, 1.3, 1.2, 1.15, 1.05, 0.9]
    assert found[0]["best gate"] == "margin"
    assert {found[1][step] for step in STEPS} == {None}


def test_as_a_table_for_each_model():
    text = as_text(ladders([row_of(**FULL), row_of(model="other", limited=True)]))
    lines = text.splitlines()
    assert lines[0] == "tiny"
    assert lines[1].split() == [
        "workload",
        "layers",
        "+head",
        "+cache",
        "settled",
        "gate",
        "95",
        "%",
        "gate",
        "99",
        "%",
        "lossless",
        "best",
        "gate",
    ]
    assert lines[2].split() == ["chat", "1.50", "1.40", "1.30", "1.20", "1.15", "1.05", "0.90", "margin"]
    assert lines[4] == "other" and lines[6].split() == ["chat*"]
    assert "* limited: not the prompts of a full run" in lines
    assert "none is measured" in text


def test_gates_that_are_missing_are_told_of():
    reason = "signals were kept of 48 of 900 tokens; measure with --signals all"
    text = as_text(ladders([row_of(**FULL, gates_missing=reason)] * 2))
    assert text.splitlines()[-1] == f"gates of the vocabulary are left out: {reason}"
