"""The results of a session as tables that fit the terminal."""

import pytest
from strategies import row_of

from benchmark.interface.terminal.results_table import results_table
from benchmark.messages import width

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
        heading, head, _ = results_table([row_of(**self.EVERYTHING)], 200).splitlines()
        assert heading.startswith("tiny: 4 layers, ")
        columns = (
            "workload tokens exit skip ratio 95 % interval settled chance EAS bound +head +cache gate 99 % lossless"
        )
        assert " ".join(head.split()) == columns

    @pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
    def test_it_fits_the_terminal(self, columns: int):
        row = row_of(**self.EVERYTHING, workload="open_ended_writing")
        assert max(width(line) for line in results_table([row], columns).splitlines()) <= columns

    def test_a_narrow_terminal_shows_what_matters_and_names_the_rest(self):
        table = results_table([row_of(**self.EVERYTHING)], 40)
        assert "chat           0.375" in table
        told = " ".join(table.split()).partition("a wider terminal shows more: ")[2]
        assert "95 % interval" in told and "lossless" in told and "skip ratio" not in told

    def test_a_wide_terminal_shows_more_than_the_headline(self):
        row = row_of(**self.EVERYTHING, hesitation_layers_mean=0.625)
        assert "hesitation" in results_table([row], 200)
        narrow = results_table([row], 80)
        assert "hesitation" not in narrow

    def test_letters_of_double_width_do_not_move_columns(self):
        rows = [row_of(**MEASURED, workload=name) for name in ("mathematics", "数学")]
        *_, one, other = results_table(rows, 80).split("\n\n")[0].splitlines()
        assert width(one) == width(other)

    @pytest.mark.parametrize("columns", [30, 40, 80])
    def test_a_name_that_is_too_long_is_cut_in_the_middle(self, columns: int):
        row = row_of(**MEASURED, workload=f"{'long-' * 30}name")
        *_, line = results_table([row], columns).split("\n\n", maxsplit=1)[0].splitlines()
        assert "…" in line and "0.375" in line and width(line) <= columns

    def test_what_no_row_has_takes_no_room(self):
        _, head, _ = results_table([row_of(**MEASURED)], 200).splitlines()
        assert " ".join(head.split()) == "workload tokens exit skip ratio 95 % interval settled chance EAS bound"
        both = results_table([row_of(**MEASURED), row_of(**self.EVERYTHING, workload="math")], 200)
        assert "lossless" in both

    def test_how_to_get_gates_is_told(self):
        missing = {"gates_missing": "signals were kept of 48 of 900 tokens; measure with --signals all"}
        told = "what real gates give is told with --signals all"
        assert results_table([row_of(**MEASURED, **missing, signals_asked="sample")], 200).splitlines()[-1] == told
        assert told not in results_table([row_of(**self.EVERYTHING, signals_asked="all")], 200)

    def test_settings_are_told_apart(self):
        rows = [row_of(**MEASURED, dtype=dtype, device="cpu", batch_size=2) for dtype in ("float32", "bfloat16")]
        assert results_table(rows, 200).count("float32 on cpu, batches of 2") == 1
        assert results_table(rows, 200).count("bfloat16 on cpu, batches of 2") == 1

    def test_numbers(self):
        assert first_row(results_table([row_of(**MEASURED)], 200)) == (
            "chat 20 2.50 0.375 [0.300, 0.450] 3.12 0.062 0.380 1.60"
        )

    def test_one_prompt_has_no_interval(self):
        row = row_of(**MEASURED | {"skip_ratio_ci_low": None, "skip_ratio_ci_high": None})
        assert "[" not in results_table([row], 200)

    def test_a_limited_case_is_marked(self):
        table = results_table([row_of(**MEASURED, limited=True)], 200)
        assert "chat*" in table
        assert table.endswith("* limited: not the prompts of a full run")

    def test_failed_cases_are_left_out(self):
        table = results_table([row_of(**MEASURED), row_of(status="failed", model="broken", error="NaN")], 200)
        assert len(table.splitlines()) == 3
        assert "broken" not in table

    @pytest.mark.parametrize("rows", [[], [row_of(status="failed", error="NaN")]], ids=["none", "failed"])
    def test_nothing_measured_is_said(self, rows):
        assert results_table(rows, 200) == "nothing was measured"

    def test_many_rows_and_long_names_are_shown_whole(self):
        names = [f"{'long-name-' * 9}{number:03}" for number in range(200)]
        lines = results_table((row_of(**MEASURED, model=name) for name in names), 200).splitlines()
        assert [line.split(":")[0] for line in lines[::4]] == names
