"""What the page's tables show, and how it is written."""

import re
from typing import Any

import pytest

from benchmark.report.leaderboard.columns import (
    TITLED,
    Shown,
    billions,
    interval,
    model_columns,
    ranks,
    row_columns,
    written,
)
from benchmark.results.row import DECLARED

NUMBER = Shown("eas", "EAS", "", digits=2, interval=True)


@pytest.mark.parametrize("columns", [model_columns(), row_columns()])
def test_every_declared_column_with_title_and_mean_is_there_once(columns: list[Shown]):
    names = [column.name for column in columns]
    assert len(set(names)) == len(names)
    assert set(names) >= {name for name, column in DECLARED.items() if column.title and column.mean} == set(TITLED)
    assert all(column.help for column in columns)


def test_what_matters_is_shown_first():
    titles = [column.title for column in model_columns() if column.key]
    assert titles == ["rank", "model", "skip ratio", "chance", "+cache", "gate 99 %", "lossless", "EAS"]


@pytest.mark.parametrize(
    ("column", "record", "text"),
    [
        (NUMBER, {"eas": 0.256}, "0.26"),
        (NUMBER, {"eas": None}, ""),
        (NUMBER, {}, ""),
        (Shown("parameters", "", "", "size"), {"parameters": 134_515_008}, "0.135 B"),
        (Shown("rank", "", "", "rank"), {"rank": 2, "rank_best": 1, "rank_worst": 3}, "1–3"),
        (Shown("rank", "", "", "rank"), {"rank": 2}, "2"),
        (Shown("dtype", "", "", "text"), {"dtype": "<b>"}, "<b>"),
    ],
)
def test_a_value_is_written(column: Shown, record: dict[str, Any], text: str):
    assert written(column, record) == text


def test_an_interval_is_whole_or_not_there():
    assert interval(NUMBER, {"eas_ci_low": 0.1, "eas_ci_high": 0.25}) == "[0.10, 0.25]"
    assert interval(NUMBER, {"eas_ci_low": 0.1, "eas_ci_high": None}) == ""
    assert interval(Shown("eas", "EAS", ""), {"eas_ci_low": 0.1, "eas_ci_high": 0.2}) == ""


def test_small_things():
    assert (billions(7e9), ranks(1, 1), ranks(1, 2)) == ("7 B", "1", "1–2")
    assert not any(re.search(r"\s\s", column.help) for column in row_columns())
