"""Two sets of rows beside each other."""

from pathlib import Path
from typing import Any

import pytest
from folders import PROMPTS, write_case, write_decoding

from benchmark.errors import InputError
from benchmark.report.compare import Found, compare, refuse_nothing, table
from benchmark.results.versions import inventory


def found(folder: Path) -> list[Found]:
    return [(one.path, one.row) for one in inventory(folder) if one.row is not None]


def side(folder: Path, model: str = "one", workload: str = "chat", gain: float = 0.3, **columns: Any) -> list[Found]:
    """The rows of a folder, one more among them."""
    write_case(folder, model, workload, gain, **columns)
    return found(folder)


def test_a_gain_of_every_prompt_is_found_with_its_interval(tmp_path: Path):
    comparison = compare(side(tmp_path / "a", gain=0.3), side(tmp_path / "b", gain=0.4))
    (pair,) = comparison.pairs
    skipped = pair.numbers["skip_ratio"]
    assert (skipped.one, skipped.other) == pytest.approx((0.3, 0.4), abs=0.011)
    assert 0.08 < skipped.low <= skipped.other - skipped.one <= skipped.high < 0.12
    assert (pair.workload, skipped.prompts, comparison.left_out) == ("chat", PROMPTS, [])


def test_two_models_are_compared_on_the_workloads_that_both_have(tmp_path: Path):
    one = side(tmp_path / "one", "one", "chat") and side(tmp_path / "one", "one", "math")
    other = side(tmp_path / "two", "two", "math")
    comparison = compare(one, other)
    assert [(pair.model, pair.workload) for pair in comparison.pairs] == [("", "math")]
    assert comparison.left_out == ["chat: only A has it"]


def test_folders_of_several_models_are_compared_model_by_model(tmp_path: Path):
    sides = []
    for name in ("a", "b"):
        side(tmp_path / name, "one")
        sides.append(side(tmp_path / name, "two"))
    assert [pair.model for pair in compare(*sides).pairs] == ["one", "two"]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"prompts_sha256": "others"}, "other prompts"),
        ({"max_new_tokens": 7}, "another number of new tokens"),
        ({"capture": "given", "texts_sha256": "x"}, "other texts, decoded or given"),
        ({"alpha": 0.25}, "another alpha; score both alike with exitbench recompute"),
    ],
)
def test_what_was_asked_otherwise_is_refused_in_one_line(tmp_path: Path, columns: dict[str, Any], reason: str):
    comparison = compare(side(tmp_path / "a"), side(tmp_path / "b", **columns))
    assert (comparison.pairs, comparison.left_out) == ([], [f"one × chat: {reason}"])
    with pytest.raises(InputError, match=reason.split(";")[0]):
        refuse_nothing(comparison)


def test_another_study_is_refused(tmp_path: Path):
    write_decoding(tmp_path / "b", "one", "chat", harmless_only=True)
    comparison = compare(side(tmp_path / "a"), found(tmp_path / "b"))
    assert comparison.left_out == [
        "one × chat: of the studies oracle and decoding; only rows of the study oracle are compared"
    ]


def test_of_several_rows_of_a_case_the_newest_counts(tmp_path: Path):
    side(tmp_path / "b", gain=0.1, started="2026-01-01T00:00:00+00:00", configuration="11111111")
    newer = side(tmp_path / "b", gain=0.4, started="2026-02-01T00:00:00+00:00", configuration="22222222")
    comparison = compare(side(tmp_path / "a", gain=0.3), newer)
    (pair,) = comparison.pairs
    assert pair.numbers["skip_ratio"].other == pytest.approx(0.4, abs=0.011)
    assert comparison.left_out == ["B: one (bfloat16), older than the row that is compared: chat"]


def test_a_newer_row_of_another_setting_takes_no_place(tmp_path: Path):
    newer = {"gain": 0.1, "started": "2026-02-01T00:00:00+00:00", "configuration": "22222222", "dtype": "float32"}
    one = side(tmp_path / "a", gain=0.3)
    side(tmp_path / "b", gain=0.4)
    comparison = compare(one, side(tmp_path / "b", **newer))
    (pair,) = comparison.pairs
    assert pair.numbers["skip_ratio"].other == pytest.approx(0.4, abs=0.011)
    assert comparison.sides == (["one (bfloat16)"], ["one (bfloat16)"])
    assert comparison.left_out == ["B: one (float32), in a setting that is not compared: chat"]


def test_all_workloads_are_of_one_setting(tmp_path: Path):
    one = side(tmp_path / "a", workload="chat") and side(tmp_path / "a", workload="math")
    for workload, device in (("chat", "cuda"), ("math", "cuda"), ("math", "mps")):
        # That of one workload alone is the newest.
        columns = {"started": f"2026-0{len(device)}-01T00:00:00+00:00"} if device == "mps" else {}
        other = side(tmp_path / "b", workload=workload, device=device, configuration=f"{device:0<8}", **columns)
    comparison = compare(one, other)
    assert [pair.workload for pair in comparison.pairs] == ["chat", "math"]
    assert comparison.sides == (["one (bfloat16)"], ["one (bfloat16, cuda)"])
    assert comparison.left_out == ["B: one (bfloat16, mps), in a setting that is not compared: math"]


def test_settings_that_both_sides_have_are_compared_each_with_itself(tmp_path: Path):
    sides = []
    for name in ("a", "b"):
        for revision in ("1", "2"):
            rows = side(tmp_path / name, gain=0.1 * int(revision), revision=revision, configuration=revision * 8)
        sides.append(rows)
    comparison = compare(*sides)
    assert {pair.model for pair in comparison.pairs} == {f"one (bfloat16) from hub:lab/one, {n}" for n in "12"}
    assert all(found.one == found.other for pair in comparison.pairs for found in pair.numbers.values())
    assert comparison.left_out == []


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"limited": True, "prompts_sha256": "the first"}, "limited, not the prompts of a full run"),
        ({"capture": "given", "texts_sha256": "x"}, "other texts, decoded or given"),
    ],
)
def test_a_newer_row_that_was_asked_otherwise_hides_none(tmp_path: Path, columns: dict[str, Any], reason: str):
    one = side(tmp_path / "a")
    side(tmp_path / "b")
    newer = {"started": "2026-02-01T00:00:00+00:00", "configuration": "22222222"}
    comparison = compare(one, side(tmp_path / "b", **newer | columns))
    assert [(pair.model, pair.workload, pair.limited) for pair in comparison.pairs] == [("one", "chat", False)]
    assert comparison.left_out == [f"B: one (bfloat16), {reason}: chat"]


def test_the_table_has_a_row_a_number_and_marks_limited_runs(tmp_path: Path):
    comparison = compare(side(tmp_path / "a", limited=True), side(tmp_path / "b", limited=True))
    shown = table(comparison)
    assert [head.title for head in shown.heads] == [
        *("model", "workload", "number", "A", "B", "B - A", "95 % low", "95 % high", "prompts")
    ]
    assert {row[:2] for row in shown.rows} == {("one", "chat*")}
    assert "skip ratio" in [row[2] for row in shown.rows]
