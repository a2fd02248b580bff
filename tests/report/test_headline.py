"""The sentence: the numbers of the table, what was not measured, one model and several."""

import pytest
from strategies import row_of

from benchmark.report.headline import NOTHING, headline_of_rows
from benchmark.report.pictures.chart import written
from benchmark.results.row import Row

FULL = {
    "architecture": "dense",
    "num_layers": 30,
    "skip_ratio": 0.2,
    "skip_ratio_chance": 0.06,
    "eas": 0.3,
    "speedup_bound_kv": 1.2,
    "gate_speed_99": 1.01,
    "speedup_speculation": 0.86,
}


def row(**columns: object) -> Row:
    return row_of(**{**FULL, **columns})


def test_one_model_on_one_workload():
    assert headline_of_rows([row()]) == (
        "Of the 30 layers of tiny a perfect rule skips 20 % (chance 6 %), worth at most 1.20× once head and cache are "
        "paid; the best gate that is to keep 99 % of the tokens gives 1.01×; lossless self-speculation gives 0.86× "
        "(chat)."
    )


def test_means_are_those_of_the_table():
    text = headline_of_rows([row(), row(workload="math", skip_ratio=0.4, speedup_bound_kv=1.8)])
    assert "skips 30 % " in text  # arithmetic
    assert "1.44×" in text  # harmonic: 2 / (1/1.2 + 1/1.8); the arithmetic mean is 1.50
    assert "(mean of 2 workloads)" in text


def test_what_was_not_measured_is_named_and_not_invented():
    text = headline_of_rows([row(gate_speed_99=None, speedup_speculation=None, speedup_bound_kv=None)])
    assert text == (
        "Of the 30 layers of tiny a perfect rule skips 20 % (chance 6 %) (chat). Not measured: what that is worth, "
        "real gates (--signals all), lossless self-speculation."
    )


def test_a_number_that_one_workload_lacks_is_no_mean():
    assert "Not measured: real gates" in headline_of_rows([row(), row(workload="math", gate_speed_99=None)])


def test_of_several_models_the_least_and_the_most():
    rows = [row(), row(model="other", skip_ratio=0.1, gate_speed_99=None), row(model="third", skip_ratio=0.15)]
    assert headline_of_rows(rows) == (
        "Over 3 models a perfect rule skips 10 % (other) to 20 % (tiny) of the layers (chance 6 %), worth at most "
        "1.20× once head and cache are paid; the best gate that is to keep 99 % of the tokens gives 1.01×; lossless "
        "self-speculation gives 0.86×. Not measured: real gates (--signals all) of 1 of 3 models."
    )


def test_shares_below_one_percent_are_written_as_pictures_write_them():
    text = headline_of_rows([row(skip_ratio=0.0096, skip_ratio_chance=0.0004)])
    assert f"skips {written(0.0096, 'percent')} (chance {written(0.0004, 'percent')})" in text
    assert "skips 1 % (chance 0.04 %)" in text


def test_a_limited_run_says_so():
    assert "(chat, a limited run)" in headline_of_rows([row(limited=True)])


def test_limited_runs_of_several_models_say_so():
    text = headline_of_rows([row(limited=True), row(model="other", limited=True)])
    assert text.startswith("Over 2 models (limited runs) a perfect rule")


def test_a_model_in_two_settings_is_two_lines_and_not_two_models():
    text = headline_of_rows([row(dtype="float32", gate_speed_99=None), row(dtype="bfloat16")])
    assert text.startswith("Over 2 lines a perfect rule")
    assert text.endswith("real gates (--signals all) of 1 of 2 lines.")


def test_lines_whose_settings_begin_alike_keep_their_numbers_apart():
    sources = ("hub:HuggingFaceTB/SmolLM2-135M", "hub:HuggingFaceTB/SmolLM2-360M")
    text = headline_of_rows(
        [row(source=source, skip_ratio=skipped) for source, skipped in zip(sources, (0.5, 0.1), strict=True)]
    )
    assert f"skips 10 % (tiny ({sources[1]})) to 50 % (tiny ({sources[0]})) of the layers" in text


@pytest.mark.parametrize(
    "others",
    [
        {"suite": "decoding", "gate": "margin", "skip_ratio": 0.9},
        {"status": "failed", "error": "no"},
        {"capture": "given", "skip_ratio": 0.9},
    ],
)
def test_rows_that_do_not_count_are_not_in_it(others: dict[str, object]):
    assert headline_of_rows([row(), row(workload="math", **others)]) == headline_of_rows([row()])
    assert headline_of_rows([row(**others)]) == NOTHING


def test_encoders_are_not_mixed_with_decoders():
    assert "10 %" not in headline_of_rows([row(), row(model="bert", architecture="encoder", skip_ratio=0.1)])


def test_a_name_from_anywhere_neither_moves_the_cursor_nor_fills_the_screen():
    text = headline_of_rows([row(model="x\x1b[2J" + 300 * "y")])
    assert "\x1b" not in text and len(text) < 400
