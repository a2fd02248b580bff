"""Lines: which rows stand together, and which of them count."""

from pathlib import Path
from typing import Any

import pytest
from strategies import row_of

from benchmark.report.board.lines import Line, lines
from benchmark.report.board.ranking import arrange
from benchmark.report.board.rows import Entry
from benchmark.results.comparable import OLDER, OTHER_ALPHA, OTHER_PROMPTS


def entry(name: str = "row.json", **columns: Any) -> Entry:
    return Entry(Path(name), row_of(**({"architecture": "dense", "prompts_sha256": "usual"} | columns)))


def labels(found: list[Line]) -> list[str]:
    return sorted(line.label for line in found)


class TestSettings:
    """A line is a model in one setting."""

    @pytest.mark.parametrize(
        ("column", "one", "other", "parts"),
        [
            ("dtype", "float32", "bfloat16", ["tiny (bfloat16)", "tiny (float32)"]),
            ("device", "cpu", "cuda", ["tiny (cpu)", "tiny (cuda)"]),
            ("quantization", None, "int4", ["tiny", "tiny (int4)"]),
            ("revision", "aaa", "bbb", ["tiny (aaa)", "tiny (bbb)"]),
            ("source", "hub:lab/tiny", "path:tiny", ["tiny (hub:lab/tiny)", "tiny (path:tiny)"]),
        ],
    )
    def test_another_setting_is_another_line(self, column: str, one: Any, other: Any, parts: list[str]):
        assert labels(lines([entry(**{column: one}), entry(**{column: other}, workload="math")])) == parts

    def test_settings_that_begin_alike_are_written_whole(self):
        sources = [f"hub:a-lab-with-a-long-name/{size}" for size in ("small", "large")]
        found = lines([entry(source=source, dtype="float32") for source in sources])
        assert labels(found) == sorted(f"tiny ({source})" for source in sources)

    def test_no_two_lines_have_one_label_whatever_models_are_called(self):
        settings = [{"device": "cpu"}, {"device": "cuda"}, {"model": "tiny (cpu)"}, {"model": "tiny (cpu) 2"}]
        settings += [{"model": "other", "dtype": "x, y", "device": "z"}]
        settings += [{"model": "other", "dtype": "x", "device": "y, z"}]
        assert len(set(labels(lines([entry(**setting) for setting in settings])))) == 6

    def test_rows_of_one_setting_are_one_line(self):
        (line,) = lines([entry(workload="chat"), entry(workload="math")])
        assert (line.label, list(line.counted)) == ("tiny", ["chat", "math"])

    def test_a_line_says_what_its_means_are_over(self):
        one, two = entry(workload="chat"), entry(workload="math")
        assert arrange([one]).lines[0].over == "chat"
        assert arrange([one, two]).lines[0].over == "mean of 2 workloads"

    def test_the_batch_that_came_about_makes_no_line(self):
        (line,) = lines([entry(workload="chat", batch_size=16), entry(workload="math", batch_size=4)])
        assert len(line.counted) == 2

    def test_what_a_model_is_comes_from_its_newest_row(self):
        (line,) = lines(
            [entry(family="New", started="2026-02-01"), entry(family="Old", started="2026-01-01", workload="math")]
        )
        assert line.newest.family == "New"


class TestWhatCounts:
    """One row of each workload, asked for as most are."""

    def test_of_two_rows_of_one_case_the_newest_counts(self):
        old, new = entry("old.json", started="2026-01-01", seed=1), entry("new.json", started="2026-02-01")
        (line,) = lines([new, old])
        assert line.counted == {"chat": new}
        assert line.others == [(old, OLDER)]

    def test_of_rows_measured_at_the_same_time_the_last_file_counts(self):
        first, last = entry("a/row.json", seed=1), entry("a-b/row.json")
        (line,) = lines([first, last])
        assert line.counted == {"chat": last}

    @pytest.mark.parametrize(
        ("columns", "reason"),
        [
            ({"alpha": 0.3}, OTHER_ALPHA),
            ({"prompts_sha256": "others"}, OTHER_PROMPTS),
            ({"max_new_tokens": 5}, OTHER_PROMPTS),
        ],
    )
    def test_a_row_asked_for_otherwise_does_not_count(self, columns: dict[str, Any], reason: str):
        usual = [entry(model=f"m{number}") for number in range(3)]
        odd = entry(model="odd", **columns)
        (line,) = [line for line in lines([*usual, odd]) if line.label == "odd"]
        assert (line.counted, line.others) == ({}, [(odd, reason)])

    def test_what_is_usual_is_by_workload(self):
        rows = [entry(workload="chat", max_new_tokens=64), entry(workload="math", max_new_tokens=256)]
        (line,) = lines(rows)
        assert len(line.counted) == 2

    def test_on_a_tie_the_newest_is_usual(self):
        old = entry(model="old", started="2026-01-01", max_new_tokens=64)
        new = entry(model="new", started="2026-02-01", max_new_tokens=128)
        assert {line.label: len(line.counted) for line in lines([new, old])} == {"old": 0, "new": 1}

    def test_limited_runs_do_not_decide_what_is_usual(self):
        limited = [entry(model=f"m{number}", limited=True, prompts_sha256="few") for number in range(3)]
        full = entry(model="full")
        counted = {line.label: len(line.counted) for line in lines([*limited, full])}
        assert counted == {"m0": 1, "m1": 1, "m2": 1, "full": 1}
