"""The parts of the page that are there without its program."""

from typing import Any

import pytest

from benchmark.report.board.rows import LeftOut
from benchmark.report.leaderboard.columns import Shown
from benchmark.report.leaderboard.html.static import LINES, notes, scale_of, table, visible

COLUMNS = [
    Shown("line", "model", "", "model", key=True),
    Shown("skip_ratio", "skip ratio", "", "dot", 2, interval=True, key=True),
    Shown("eas", "EAS", "", digits=2),
]


def record(line: str, **columns: Any) -> dict[str, Any]:
    return {"line": line, "skip_ratio": 0.25, **columns}


def test_a_name_is_text_and_leads_to_its_card():
    text = table(COLUMNS, [record("<b> 1")], 0.5)
    assert '<a href="#model=%3Cb%3E%201">&lt;b&gt; 1</a>' in text


def test_only_key_columns_are_there_without_the_program():
    assert "EAS" not in table(COLUMNS, [record("a", eas=0.1)], 0.5)


def test_a_dot_stands_where_its_number_is():
    text = table(COLUMNS, [record("a", skip_ratio_ci_low=0.2, skip_ratio_ci_high=0.3, skip_ratio_chance=0.1)], 0.5)
    assert '<circle cx="50.00%"' in text
    assert 'x1="40.00%" x2="60.00%"' in text
    assert '<line class="chance" x1="20.00%"' in text
    assert "0.25 <small>[0.20, 0.30]</small>" in text


def test_what_is_not_known_has_no_dot():
    assert "<svg" not in table(COLUMNS, [record("a", skip_ratio=None)], 0.5)


def test_of_many_lines_the_first_are_there_and_the_others_are_counted():
    text = table(COLUMNS, [record(f"model {number}") for number in range(LINES + 1)], 0.5)
    assert text.count("<circle") == LINES
    assert f"The first {LINES} of {LINES + 1}; the program of the page shows the others." in text


@pytest.mark.parametrize(
    ("records", "scale"),
    [
        ([record("a")], 0.3),
        ([record("a", skip_ratio_ci_high=0.31)], 0.4),
        ([record("a", skip_ratio=None)], 0.1),
        ([], 0.1),
    ],
)
def test_all_dots_have_one_scale(records: list[dict[str, Any]], scale: float):
    assert scale_of(records) == scale


def test_what_is_left_out_is_named_with_its_reason():
    text = notes(["A & b."], [LeftOut("failed", [("x × y", "<no> number")])])
    assert "<p>A &amp; b.</p>" in text
    assert "<summary>Left out: 1 failed (x × y)</summary><ul><li>x × y: &lt;no&gt; number</li></ul>" in text


@pytest.mark.parametrize(("text", "shown"), [(" a", " a"), ("\n", "↵"), ("\t", "⇥"), ("  ", "␣␣"), ("", "")])
def test_a_token_is_seen(text: str, shown: str):
    assert visible(text) == shown
