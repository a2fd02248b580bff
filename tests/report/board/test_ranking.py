"""Ranks, the workloads they are about, and EAS relative to a reference."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import row_of

from benchmark.errors import InputError
from benchmark.report.board.ranking import Leaderboard, arrange, common_workloads
from benchmark.report.board.rows import Entry


def entries(model: str, eas: dict[str, float | None], **columns: Any) -> list[Entry]:
    """A row for each workload, with this EAS."""
    plain = {"architecture": "dense", "prompts_sha256": "usual"} | columns
    return [
        Entry(Path(model, f"{workload}.json"), row_of(model=model, workload=workload, eas=value, **plain))
        for workload, value in eas.items()
    ]


def ranks(board: Leaderboard, measure: str = "eas") -> dict[str, int | None]:
    return {line.label: line.ranks.get(measure) for line in board.lines}


class TestWorkloads:
    """Models are ranked on the same workloads, as many rows as possible."""

    @pytest.mark.parametrize(
        ("measured", "expected"),
        [
            ([], ""),
            (["ab"], "ab"),
            # Two rows of one model, or one row of each of two: most workloads decide.
            (["ab", "a"], "ab"),
            (["ab", "a", "a"], "a"),
            # A workload that only one model has keeps nobody else from the ranking.
            (["abc", "ab", "ab"], "ab"),
            (["abcdefg", "a", "a", "a"], "abcdefg"),
        ],
    )
    def test_examples(self, measured: list[str], expected: str):
        assert "".join(common_workloads(measured)) == expected

    @given(st.lists(st.sets(st.sampled_from("abcd"), min_size=1), min_size=1, max_size=6))
    def test_some_model_has_all_of_them(self, measured: list[set[str]]):
        assert any(set(common_workloads(measured)) <= some for some in measured)


class TestRanks:
    """The largest mean is first."""

    def test_models_are_ranked_by_their_mean(self):
        rows = entries("low", {"chat": 0.1, "math": 0.2}) + entries("high", {"chat": 0.3, "math": 0.3})
        assert ranks(arrange(rows)) == {"high": 1, "low": 2}

    def test_equal_means_have_equal_ranks(self):
        rows = [
            row for name, eas in zip("abcd", (0.3, 0.3, 0.4, 0.1), strict=True) for row in entries(name, {"x": eas})
        ]
        assert ranks(arrange(rows)) == {"c": 1, "a": 2, "b": 2, "d": 4}

    def test_skip_ratio_has_a_rank_of_its_own(self):
        rows = entries("a", {"x": 0.1}, skip_ratio=0.9) + entries("b", {"x": 0.2}, skip_ratio=0.8)
        board = arrange(rows)
        assert (ranks(board), ranks(board, "skip_ratio")) == ({"b": 1, "a": 2}, {"b": 2, "a": 1})

    def test_a_model_without_some_workloads_is_told_apart(self):
        rows = [*entries("a", {"x": 0.1, "y": 0.1}), *entries("b", {"x": 0.2, "y": 0.2}), *entries("c", {"x": 0.9})]
        board = arrange(rows)
        assert ranks(board) == {"b": 1, "a": 2, "c": None}
        assert board.lines[-1].unranked == "workloads missing: 1 of 2"

    def test_a_workload_outside_the_ranking_is_in_no_mean(self):
        rows = entries("a", {"x": 0.1, "own": 0.9}) + entries("b", {"x": 0.2}) + entries("c", {"x": 0.3})
        line = arrange(rows).lines[-1]
        assert (line.label, line.means["eas"].value) == ("a", 0.1)
        assert [reason for _, reason in line.rows] == ["the workload is not of the ranking", None]

    def test_without_the_number_there_is_no_rank(self):
        assert ranks(arrange(entries("a", {"x": 0.1}) + entries("b", {"x": None}))) == {"a": 1, "b": None}

    @pytest.mark.parametrize(
        ("columns", "reason"),
        [
            ({"limited": True}, "limited"),
            ({"checkpoint": "step1000"}, "training checkpoint"),
            ({"architecture": None}, "architecture not known"),
        ],
    )
    def test_some_lines_have_no_rank(self, columns: dict[str, Any], reason: str):
        board = arrange(entries("plain", {"x": 0.1}) + entries("other", {"x": 0.9}, **columns))
        assert ranks(board) == {"plain": 1, "other": None}
        assert {line.unranked for line in board.lines} == {None, reason}

    def test_encoders_are_ranked_among_themselves(self):
        rows = [
            *entries("decoder", {"chat": 0.1}),
            *entries("mamba", {"chat": 0.2}, architecture="ssm"),
            *entries("t5", {"chat": 0.3}, architecture="encoder-decoder"),
            *entries("bert", {"masked": 0.4}, architecture="encoder"),
        ]
        board = arrange(rows)
        assert ranks(board) == {"mamba": 1, "decoder": 2, "t5": 1, "bert": 1}
        assert board.workloads == {"decoder": ("chat",), "encoder-decoder": ("chat",), "encoder": ("masked",)}


class TestReference:
    """EAS relative to that of one model."""

    def test_the_reference_of_the_study_is_taken_if_it_is_there(self):
        board = arrange(entries("Llama-2-7b-hf", {"x": 0.5}) + entries("a", {"x": 0.25}))
        assert {line.label: line.eas_relative for line in board.lines} == {"Llama-2-7b-hf": 1, "a": 0.5}

    def test_otherwise_there_is_none(self):
        board = arrange(entries("a", {"x": 0.25}))
        assert (board.reference, board.lines[0].eas_relative) == (None, None)

    def test_another_can_be_named(self):
        board = arrange(entries("Llama-2-7b-hf", {"x": 0.5}) + entries("a", {"x": 0.25}), reference="a")
        assert {line.label: line.eas_relative for line in board.lines} == {"Llama-2-7b-hf": 2, "a": 1}

    def test_a_name_that_is_not_there_is_an_error(self):
        with pytest.raises(InputError, match="no full run of Lama is among the rows; there are a, b"):
            arrange(entries("a", {"x": 0.1}) + entries("b", {"x": 0.1}), reference="Lama")

    def test_only_workloads_that_both_have_are_compared(self):
        rows = entries("Llama-2-7b-hf", {"x": 0.5, "y": 0.1}) + entries("a", {"x": 0.25, "z": 0.9})
        assert {line.label: line.eas_relative for line in arrange(rows).lines}["a"] == 0.5

    def test_of_several_settings_that_with_most_workloads_is_the_reference(self):
        rows = [
            *entries("Llama-2-7b-hf", {"x": 0.5, "y": 0.5}, dtype="bfloat16", started="2026-01-01"),
            *entries("Llama-2-7b-hf", {"x": 0.1}, dtype="float32", started="2026-02-01"),
        ]
        board = arrange(rows)
        assert board.reference is not None
        assert board.reference.label == "Llama-2-7b-hf (bfloat16)"

    def test_a_limited_run_is_no_reference(self):
        assert arrange(entries("Llama-2-7b-hf", {"x": 0.5}, limited=True)).reference is None
