"""Marks as data: how numbers are written, what a CSV holds, how names are told apart."""

import pytest

from benchmark.report.pictures.chart import Axis, Chart, Mark, Panel, Series, looks, records, shortened, written


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (1.196, "speed", "1.20×"),
        (0.234, "percent", "23 %"),
        (0.0, "percent", "0 %"),
        (0.0042, "percent", "0.4 %"),
        (-0.05, "percent", "-5 %"),
        (1234567, "number", "1.23e+06"),
    ],
)
def test_numbers_are_written_in_their_form(value: float, form: str, text: str):
    assert written(value, form) == text  # type: ignore[arg-type]


def test_a_name_from_anywhere_is_short_and_can_be_drawn():
    assert shortened("a\nb\x1b") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    assert len(shortened(300 * "x")) == 36


def test_a_record_has_the_names_of_categories_and_the_rows_it_is_of():
    marks = (Mark(1, 0.5, 0.4, 0.6, "x", "a line", "a/file.json"),)
    panel = Panel(Axis("", names=("first", "second")), Axis("share"), (Series("one", "points", marks),), title="here")
    assert records(Chart("name", "", "", (panel,))) == [
        {
            "panel": "here",
            "series": "one",
            "x": "second",
            "y": 0.5,
            "low": 0.4,
            "high": 0.6,
            "text": "x",
            "line": "a line",
            "file": "a/file.json",
        }
    ]


def test_names_are_told_apart_by_colour_then_by_shape_whatever_their_order():
    names = [f"family {number:02}" for number in range(30)]
    found = looks(names, ["1", "2", "3", "4", "5", "6"])
    assert len(set(found.values())) == 30
    assert found == looks(list(reversed(names)), ["1", "2", "3", "4", "5", "6"])
    assert len({colour for colour, _, _ in list(found.values())[:6]}) == 6
