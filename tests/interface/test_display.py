"""What a person sees at the end of a session."""

import pytest
from strategies import row_of

from benchmark.errors import CannotRun, NotFetched
from benchmark.interface.terminal.display import results_table, skipped_lines

MEASURED = {
    "exit_layer_mean": 2.5,
    "exit_layer_settled_mean": 3.125,
    "skip_ratio": 0.375,
    "skip_ratio_ci_low": 0.3,
    "skip_ratio_ci_high": 0.45,
    "skip_ratio_chance": 0.0625,
    "eas": 0.38,
    "speedup_bound_layers": 1.6,
    "generate_seconds": 3.0,
    "oracle_seconds": 1.0,
}


def first_row(table: str) -> str:
    """The first row below the heading and the head, without the padding."""
    return " ".join(table.splitlines()[2].split())


class TestResultsTable:
    """Exits, skip ratio with its interval, EAS and bounds, by model and setting."""

    EVERYTHING = MEASURED | {
        "speedup_bound_head": 1.5,
        "speedup_bound_kv": 1.4,
        "gate_speed_99": 1.01,
        "speedup_speculation": 0.9,
    }

    def test_columns(self):
        heading, head, _ = results_table([row_of(**self.EVERYTHING)]).splitlines()
        assert heading.startswith("tiny: 4 layers, ")
        columns = "workload tokens exit skip ratio settled chance EAS bound +head +cache gate 99 % lossless"
        assert " ".join(head.split()) == columns

    def test_it_fits_a_hundred_and_ten_columns(self):
        row = row_of(**self.EVERYTHING, workload="open_ended_writing")
        assert max(len(line) for line in results_table([row]).splitlines()) <= 110

    def test_what_no_row_has_takes_no_room(self):
        _, head, _ = results_table([row_of(**MEASURED)]).splitlines()
        assert " ".join(head.split()) == "workload tokens exit skip ratio settled chance EAS bound"
        both = results_table([row_of(**MEASURED), row_of(**self.EVERYTHING, workload="math")])
        assert "lossless" in both

    def test_how_to_get_gates_is_told(self):
        missing = {"gates_missing": "signals were kept of 48 of 900 tokens; measure with --signals all"}
        told = "what real gates give is told with --signals all"
        assert results_table([row_of(**MEASURED, **missing, signals_asked="sample")]).splitlines()[-1] == told
        assert told not in results_table([row_of(**self.EVERYTHING, signals_asked="all")])

    def test_settings_are_told_apart(self):
        rows = [row_of(**MEASURED, dtype=dtype, device="cpu", batch_size=2) for dtype in ("float32", "bfloat16")]
        assert results_table(rows).count("float32 on cpu, batches of 2") == 1
        assert results_table(rows).count("bfloat16 on cpu, batches of 2") == 1

    def test_numbers(self):
        assert first_row(results_table([row_of(**MEASURED)])) == (
            "chat 20 2.50 0.375 [0.300, 0.450] 3.12 0.062 0.380 1.60"
        )

    def test_one_prompt_has_no_interval(self):
        row = row_of(**MEASURED | {"skip_ratio_ci_low": None, "skip_ratio_ci_high": None})
        assert "[" not in results_table([row])

    def test_a_limited_case_is_marked(self):
        table = results_table([row_of(**MEASURED, limited=True)])
        assert "chat*" in table
        assert table.endswith("* limited: not the prompts of a full run")

    def test_failed_cases_are_left_out(self):
        table = results_table([row_of(**MEASURED), row_of(status="failed", model="broken", error="NaN")])
        assert len(table.splitlines()) == 3
        assert "broken" not in table

    @pytest.mark.parametrize("rows", [[], [row_of(status="failed", error="NaN")]], ids=["none", "failed"])
    def test_nothing_measured_is_said(self, rows):
        assert results_table(rows) == "nothing was measured"

    def test_many_rows_and_long_names_are_shown_whole(self):
        names = [f"{'long-name-' * 9}{number:03}" for number in range(200)]
        lines = results_table(row_of(**MEASURED, model=name) for name in names).splitlines()
        assert [line.split(":")[0] for line in lines[::4]] == names


class TestSkippedLines:
    """Why models or workloads did not run."""

    def test_of_many_names_only_some_are_shown(self):
        skipped = {f"model-{number}": CannotRun("reason", "remedy") for number in range(9)}
        assert skipped_lines(skipped, 200) == [
            "reason; remedy:",
            "  model-0, model-1, model-2, model-3, and 5 more (-rs lists them)",
        ]

    def test_one_reason_is_said_once(self):
        skipped = {
            "small": NotFetched("1 B, 2 GB"),
            "chat": CannotRun("package data is not installed", "pip install data"),
            "large": NotFetched("70 B, 140 GB"),
        }
        assert skipped_lines(skipped, width=80) == [
            "not on this machine; allow the download to fetch it (--download):",
            "  small (1 B, 2 GB), large (70 B, 140 GB)",
            "package data is not installed; pip install data:",
            "  chat",
        ]

    def test_the_same_reason_with_another_remedy_stands_apart(self):
        skipped = {"one": CannotRun("is gated", "accept one"), "two": CannotRun("is gated", "accept two")}
        assert skipped_lines(skipped, width=80) == ["is gated; accept one:", "  one", "is gated; accept two:", "  two"]

    @pytest.mark.parametrize("width", [30, 37, 44, 51])
    def test_names_are_wrapped_between_words_and_never_at_a_hyphen(self, width: int):
        skipped = {f"some-long-name-{number}": CannotRun("reason", "remedy") for number in range(8)}
        _, *lines = skipped_lines(skipped, width)
        assert all(line.startswith("  ") and len(line) <= width for line in lines)
        assert " ".join(line.strip() for line in lines) == ", ".join(skipped)
        assert {line.strip(" ,") for line in ",".join(lines).split(",")} - {""} == set(skipped)

    def test_nothing_skipped_nothing_said(self):
        assert skipped_lines({}, width=80) == []
