"""Which rows may stand beside each other: the rule, and that both of its readers follow it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import row_of

from benchmark.report.board.lines import lines
from benchmark.report.board.rows import Entry
from benchmark.report.findings.comparable_rows import comparable, table_of
from benchmark.results.comparable import (
    FAILED,
    LIMITED,
    OTHER_ALPHA,
    OTHER_PROMPTS,
    OTHER_STUDY,
    asked_otherwise,
    newest,
    not_a_full_run,
    usual,
)
from benchmark.results.row import Row

DAYS = st.sampled_from(["2026-01-01", "2026-02-01"])


def full_run(**columns: Any) -> Row:
    return row_of(**({"skip_ratio": 0.3, "architecture": "dense", "prompts_sha256": "usual"} | columns))


class TestFullRuns:
    """Only full runs of the study that went well are compared."""

    def test_a_full_run_is_compared(self):
        assert not_a_full_run(full_run()) is None

    @pytest.mark.parametrize(
        ("columns", "reason"),
        [
            ({"suite": "decoding"}, OTHER_STUDY),
            ({"status": "failed", "error": "NaN logits"}, FAILED),
            ({"limited": True}, LIMITED),
        ],
    )
    def test_every_other_row_has_a_reason(self, columns: dict[str, Any], reason: str):
        assert not_a_full_run(full_run(**columns)) == reason

    def test_that_it_is_of_another_study_is_said_first(self):
        assert not_a_full_run(full_run(suite="decoding", status="failed", limited=True)) == OTHER_STUDY


class TestUsual:
    """The setting that is kept for a group."""

    def test_most_rows_decide(self):
        assert usual("mmm", [("a",), ("b",), ("a",)], ["1", "9", "1"]) == [True, False, True]

    def test_on_a_tie_the_dtype_of_the_other_models_is_kept_though_it_is_older(self):
        settings = [("r", "float32"), ("r", "bfloat16"), ("r", "bfloat16")]
        assert usual("mmn", settings, ["9", "1", "1"]) == [False, True, True]

    def test_on_a_tie_of_both_the_newest_row_decides(self):
        assert usual("mm", [("a",), ("b",)], ["2", "1"]) == [True, False]

    def test_of_rows_measured_at_the_same_time_the_last_one_decides(self):
        assert usual("mm", [("a",), ("b",)], ["1", "1"]) == [False, True]

    @given(st.lists(st.tuples(st.sampled_from("mn"), st.sampled_from("ab"), DAYS), max_size=8))
    def test_a_group_keeps_exactly_one_setting(self, rows: list[tuple[str, str, str]]):
        kept = usual([of for of, _, _ in rows], [(setting,) for _, setting, _ in rows], [day for _, _, day in rows])
        settings = {(of, setting) for (of, setting, _), keep in zip(rows, kept, strict=True) if keep}
        assert sorted(of for of, _ in settings) == sorted({of for of, _, _ in rows})


class TestAskedOtherwise:
    """One alpha for all, and for each workload the same prompts and number of tokens."""

    def test_another_alpha_is_told_before_other_prompts(self):
        odd = full_run(alpha=0.3, prompts_sha256="other")
        assert asked_otherwise([full_run(), full_run(), odd]) == [None, None, OTHER_ALPHA]

    def test_rows_of_another_alpha_do_not_decide_about_prompts(self):
        odd = [full_run(alpha=0.3, prompts_sha256="other")] * 2
        rows = [full_run(), full_run(workload="math"), full_run(workload="code"), *odd]
        assert asked_otherwise(rows) == [None, None, None, OTHER_ALPHA, OTHER_ALPHA]

    def test_prompts_are_compared_within_a_workload(self):
        rows = [full_run(), full_run(), full_run(prompts_sha256="other"), full_run(workload="math", max_new_tokens=9)]
        assert asked_otherwise(rows) == [None, None, OTHER_PROMPTS, None]

    def test_of_no_rows_there_is_nothing_to_say(self):
        assert asked_otherwise([]) == []


class TestNewest:
    """Of several rows of one case the newest counts."""

    def test_the_newest_counts_wherever_it_stands(self):
        assert newest("ccd", ["2", "1", "1"]) == [True, False, True]

    def test_of_rows_measured_at_the_same_time_the_last_one_counts(self):
        assert newest("cc", ["1", "1"]) == [False, True]


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "model": st.sampled_from(["one", "two", "three"]),
            "workload": st.sampled_from(["chat", "math"]),
            "architecture": st.sampled_from(["dense", "dense", "encoder"]),
            "alpha": st.sampled_from([0.5, 0.5, 0.3]),
            "prompts_sha256": st.sampled_from(["usual", "usual", None]),
            "max_new_tokens": st.sampled_from([64, None]),
            "started": DAYS,
        }
    ),
    max_size=10,
)


@given(ROWS)
def test_the_leaderboard_and_findings_compare_the_same_rows_of_decoders(columns: list[dict[str, Any]]):
    # An entry is of one architecture, and findings are about decoders.
    named = [each | {"model": f"{each['model']} {each['architecture']}"} for each in columns]
    rows = [(Path(f"{number:02}.json"), full_run(**each)) for number, each in enumerate(named)]
    board = lines([Entry(path, row) for path, row in rows])
    listed = {entry.file for line in board if line.kind == "decoder" for entry in line.counted.values()}
    assert set(comparable(table_of(rows)).rows["path"]) == listed
