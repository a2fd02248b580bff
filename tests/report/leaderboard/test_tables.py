"""The tables as text: CSV that is data in every program, Markdown that is text in every reader."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import row_of

from benchmark.report.board.ranking import arrange
from benchmark.report.board.rows import Entry
from benchmark.report.csv_text import as_csv
from benchmark.report.leaderboard.markdown import as_markdown
from benchmark.report.leaderboard.tables import batch_sizes, line_records, row_records
from benchmark.results.row import DECLARED


def entry(**columns: Any) -> Entry:
    return Entry(Path("a", "b.json"), row_of(**({"architecture": "dense"} | columns)))


class TestCsv:
    """What comes out is what went in."""

    def test_a_row_keeps_all_digits(self):
        records = row_records(arrange([entry(eas=0.12345678901234567)]))
        (read,) = csv.DictReader(io.StringIO(as_csv(records).decode()))
        assert float(read["eas"]) == 0.12345678901234567

    def test_what_is_not_known_is_empty(self):
        (read,) = csv.DictReader(io.StringIO(as_csv(line_records(arrange([entry()]))).decode()))
        assert (read["eas"], read["eas_ci_low"], read["family"]) == ("", "", "")

    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1))
    def test_any_name_survives(self, name: str):
        (read,) = csv.DictReader(io.StringIO(as_csv([{"model": name}]).decode(), newline=""))
        assert read["model"] in (name, f"'{name}")

    @pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@sum", "\t=1"])
    def test_no_name_is_a_formula(self, name: str):
        assert as_csv([{"model": name}]).decode().splitlines()[1].strip('"').startswith("'")

    def test_every_column_with_a_mean_is_in_the_table_of_models(self):
        (record,) = line_records(arrange([entry()]))
        assert record.keys() >= {name for name, column in DECLARED.items() if column.mean is not None}

    def test_every_column_with_an_interval_has_its_ends_in_the_table_of_models(self):
        (record,) = line_records(arrange([entry()]))
        intervals = [name for name, column in DECLARED.items() if column.mean == "interval"]
        assert record.keys() >= {f"{name}_ci_{end}" for name in intervals for end in ("low", "high")}

    def test_numbers_below_zero_stay_numbers(self):
        assert as_csv([{"eas": -0.5}]) == b"eas\n-0.5\n"

    @pytest.mark.parametrize(("sizes", "text"), [([16, 16], "16"), ([8, 16, 4], "4–16"), ([None], None), ([], None)])
    def test_batch_sizes_are_told_from_smallest_to_largest(self, sizes: list[int | None], text: str | None):
        assert batch_sizes([entry(batch_size=size) for size in sizes]) == text


class TestMarkdown:
    """Numbers stand where their headings are."""

    def test_a_line_has_its_numbers(self):
        row = entry(eas=0.4, eas_ci_low=0.3, eas_ci_high=0.5, skip_ratio=0.25, num_layers=32, parameters=6_738_415_616)
        text = as_markdown(arrange([row]), [], "none", "It is so.").decode()
        (line,) = [line for line in text.splitlines() if line.startswith("| 1 |")]
        cells = [cell.strip() for cell in line.split("|")]
        assert [cells[place] for place in (2, 6, 7, 9, 10, 13)] == [
            "tiny", "6.74 B", "32", "1 of 1", "0.400 [0.300, 0.500]", "0.250",
        ]  # fmt: skip

    def test_every_table_is_rectangular(self):
        rows = [entry(model="a|b", eas=0.1), entry(model="c", workload="x|y"), entry(model="d", architecture="encoder")]
        text = as_markdown(arrange(rows), [], "none", "It is so.").decode()
        for block in text.split("\n\n"):
            if block.startswith("|"):
                assert len({line.count("|") for line in block.splitlines()}) == 1
