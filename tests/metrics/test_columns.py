"""Columns of a row: what there is, its edges, and the way back from files."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from every_column import (
    TAU,
    all_columns,
    bound_columns,
    costs_of,
    exit_columns,
    half_columns,
    layer_columns,
    suitability_columns,
    word_columns,
)
from folders import read_row
from hypothesis import HealthCheck, given, settings
from strategies import row_of, trace_of, traces

from benchmark.errors import MeasurementError
from benchmark.metrics.experiments.gates import BUILDABLE, HeadlineColumns
from benchmark.metrics.statistics import bootstrap as statistics
from benchmark.results.row import Row
from benchmark.results.store import Store
from benchmark.trace.costs import cost_columns, costs_of_columns
from benchmark.trace.record import Trace


@pytest.fixture(scope="module", autouse=True)
def few_draws() -> Iterator[None]:
    """A tenth of the draws: no test here is about the interval's third digit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "RESAMPLES", 1_000)
        yield


class TestNames:
    """What the functions return is what the row has room for."""

    def test_every_column_is_one_of_the_row(self):
        assert set(all_columns(trace_of([[1, 2]]))) <= set(Row.model_fields)

    @given(traces())
    def test_a_row_takes_every_value_as_it_is(self, trace: Trace):
        columns = all_columns(trace)
        assert row_of(**columns).model_dump(include=set(columns)) == columns

    @given(traces())
    def test_lists_of_layers_have_one_entry_a_layer(self, trace: Trace):
        for name, value in all_columns(trace).items():
            if isinstance(value, list) and not name.startswith(
                ("tau", "word", "text", "frequency", "speculation", "gate")
            ):
                assert len(value) == trace.num_layers, name


class TestIntervals:
    """They resample prompts, and there are none of one prompt."""

    # Prompt 0 skips 5 layers of 9, prompt 1 skips 1 of 6; settled, 3 of 9 and 1 of 6.
    TEXT = trace_of(
        [[7, 7, 7], [1, 7, 7], [8, 2, 8], [3, 4, 7], [5, 9, 9]],
        prompt=[0, 0, 0, 1, 1],
        similarity_logit=[[0.24, 0.75, 1]] * 3 + [[0.06, 0.03, 1]] * 2,
        half_matches=[[1, 1, 1]] * 3 + [[0, 1, 1]] * 2,
    )

    def test_two_prompts_reach_from_one_to_the_other(self):
        columns = all_columns(self.TEXT)
        ends = {name: (columns[f"{name}_ci_low"], columns[f"{name}_ci_high"]) for name in ("skip_ratio", "eas")}
        assert ends["skip_ratio"] == pytest.approx((1 / 6, 5 / 9))
        # √(0.24 · 2/3) + √(0.75 · 1/3) = 0.9 and √(0.06 · 2/3) + √(0.03 · 1/3) = 0.3, over three layers.
        assert ends["eas"] == pytest.approx((0.1, 0.3))

    def test_settled_exits_and_halves_have_intervals_of_their_own(self):
        columns = all_columns(self.TEXT)
        assert (columns["skip_ratio_settled_ci_low"], columns["skip_ratio_settled_ci_high"]) == pytest.approx(
            (1 / 6, 1 / 3)
        )
        # Prompt 0 exits behind the first mixer, prompt 1 behind the second.
        assert (columns["half_skip_ratio_ci_low"], columns["half_skip_ratio_ci_high"]) == pytest.approx((1 / 2, 5 / 6))

    @given(traces())
    def test_there_is_an_interval_or_the_reason_why_not(self, trace: Trace):
        columns = all_columns(trace)
        numbers = [name for name in columns if f"{name}_ci_low" in columns and columns[name] is not None]
        without = [name for name in numbers if columns[f"{name}_ci_low"] is None]
        one_prompt = "all tokens are of one prompt, and one prompt says nothing about others"
        if without == ["half_skip_ratio"]:
            assert columns["interval_missing"] == f"of half_skip_ratio: in the sample {one_prompt}"
        else:
            assert without in ([], numbers)
            assert columns["interval_missing"] == (one_prompt if without else None)
        for name in set(numbers) - set(without):
            assert columns[f"{name}_ci_low"] <= columns[f"{name}_ci_high"]


class TestLayers:
    """Means over the tokens whose signals are known, over the sample, and over all."""

    def test_by_hand(self):
        # Two tokens of three are in the sample.
        columns = layer_columns(
            trace_of(
                [[1, 2], [2, 2], [2, 2]],
                sampled=[True, False, True],
                entropy=[[1.5, 0.5], [0.5, 0.5]],
                max_prob=[[0.5, 0.75], [1, 0.75]],
                prob_margin=[[0.25, 0.5], [1, 0.5]],
                similarity_previous=[[np.nan, 0.5], [np.nan, 0.5], [np.nan, 0.125]],
                kl=[[0.75, 0], [0.25, 0]],
                rank=[[4, 1], [1, 1]],
                layer_margin=[[0.25, 2], [0.5, 1]],
            )
        )
        assert columns == {
            "entropy_nats": [1, 0.5],
            "max_prob": [0.75, 0.75],
            "prob_margin": [0.625, 0.5],
            "similarity_previous": [None, 0.375],
            "kl_nats": [0.5, 0],
            "target_rank": [2.5, 1],
            "margin": [0.375, 1.5],
        }


class TestEdges:
    """Where a definition needs a word about the smallest case."""

    def test_a_trace_without_tokens_cannot_give_a_number(self):
        empty = trace_of(np.empty((0, 3)))
        for columns in (
            lambda: exit_columns(empty, 0),
            lambda: suitability_columns(empty, 0.5, 0, TAU),
            lambda: layer_columns(empty),
            lambda: word_columns(empty),
            lambda: half_columns(empty, 0),
            lambda: bound_columns(empty, None),
        ):
            with pytest.raises(MeasurementError, match="no token was generated"):
                columns()

    def test_a_model_of_one_layer_has_nothing_to_gain(self):
        columns = all_columns(trace_of([[1], [2]], prompt=[0, 1]))
        assert (columns["eas"], columns["eas_normalized"]) == (0, None)
        assert (columns["skip_ratio"], columns["skip_ratio_chance"], columns["hesitation_layers_mean"]) == (0, 0, 0)
        assert {value for name, value in columns.items() if name.startswith("speedup_bound")} == {1}
        assert columns["exit_share"] == columns["settled_share"] == columns["agreement"] == [1]

    @pytest.mark.parametrize("kind", ["logit", "logit_raw", "hidden", "topk"])
    def test_what_is_not_observed_is_null(self, kind: str):
        observed = np.array([[0.5, 1.0], [np.nan, np.nan]])  # at one token of two
        trace = trace_of([[1, 1], [1, 2]], prompt=[0, 1], **{f"similarity_{kind}": observed})
        columns = suitability_columns(trace, 0.5, 0, TAU)
        missing = {name for name, value in columns.items() if value is None}
        scores = {"logit": {"eas", "eas_normalized", "eas_ci_low", "eas_ci_high"}, "logit_raw": {"eas_raw"}}
        expected = {f"similarity_{kind}", f"tau_skip_ratio_{kind}", f"tau_agreement_{kind}"}
        assert missing == expected | scores.get(kind, {f"eas_{kind}"})
        row_of(**columns)

    def test_the_overlap_of_the_most_likely_is_compared_on_the_sample(self):
        # The second token, whose layers never agree, is not in the sample.
        trace = trace_of([[7, 7], [1, 7]], sampled=[True, False], similarity_topk=[[1.0, 1.0]])
        columns = suitability_columns(trace, 0.5, 0, tau=[0.9])
        assert columns["tau_agreement_topk"] == [1]
        assert columns["tau_agreement_logit"] == [0.5]

    def test_of_an_empty_sample_nothing_is_known(self):
        columns = all_columns(trace_of([[1, 2], [2, 2]], prompt=[0, 1], sampled=[False, False], score=[0, 1]))
        unknown = {name for name, value in columns.items() if value is None}
        gates = {name for name in columns if name.startswith("gate_")}
        headlines = {name for name in HeadlineColumns.model_fields if name.startswith("gate_")} - {"gate_targets"}
        blind = {name for gate in BUILDABLE if gate.vocabulary for name in gates if f"_{gate.name}_" in name}
        blind |= {name for name in gates if name.endswith(("certified_threshold", "certified_skip_ratio"))}
        assert unknown - {"interval_missing", "exit_layer_mean_continuation", "not_argmax_share"} == {
            *("skip_ratio_chance", "agreement_chance"),
            *("eas_topk", "similarity_topk", "tau_skip_ratio_topk", "tau_agreement_topk"),
            *("entropy_nats", "max_prob", "prob_margin", "kl_nats", "target_rank", "margin"),
            *(name for name in Row.model_fields if name.startswith("half_")),
            *blind,
            *headlines,
        }

    def test_nine_of_ten_is_as_similar_as_nine_tenths(self):
        columns = suitability_columns(trace_of([[1, 2]], similarity_topk=[[0.9, 1.0]]), 0.5, 0, tau=[0.9])
        assert columns["tau_skip_ratio_topk"] == [0.5]

    def test_without_halves_there_are_no_columns_of_halves(self):
        assert set(half_columns(trace_of([[1, 2], [2, 2]]), seed=0).values()) == {None}

    def test_a_layer_without_halves_among_others_is_null(self):
        trace = trace_of([[1, 1], [2, 1]], half_matches=[[-1, 1], [-1, 1]])
        columns = half_columns(trace, seed=0)
        assert columns["half_agreement"] == [None, 1]
        assert columns["half_exit_share"] == [None, 0.5]
        assert columns["half_exit_mean"] == (1 + 1.5) / 2

    def test_tokens_outside_words_are_at_no_place_of_a_word(self):
        columns = word_columns(trace_of([[1, 2], [2, 2]], word_position=[-1, -1]))
        assert columns["word_position_tokens"] == [0] * 8
        assert columns["word_position_exit_layer_mean"] == [None] * 8
        assert columns["exit_layer_mean_word_initial"] is None
        assert columns["word_initial_share"] is None

    def test_punctuation_continues_no_word(self):
        columns = word_columns(trace_of([[1, 2], [2, 2], [1, 2]], word_position=[0, 1, -1]))
        assert columns["exit_layer_mean_word_initial"] == 2
        assert columns["exit_layer_mean_continuation"] == 1
        assert columns["word_initial_share"] == 0.5

    def test_far_places_of_a_word_are_counted_together(self):
        columns = word_columns(trace_of([[1, 2], [2, 2], [2, 2]], word_position=[6, 7, 30]))
        assert columns["word_position_tokens"] == [0, 0, 0, 0, 0, 0, 1, 2]
        assert columns["word_position_exit_layer_mean"] == [None] * 6 + [2, 1]

    def test_stretches_of_the_text_double_in_length(self):
        columns = word_columns(trace_of([[1, 2]] * 5))
        assert columns["text_position_start"] == [0, 1, 2, 4]
        assert columns["text_position_tokens"] == [1, 1, 2, 1]

    def test_tokens_are_grouped_by_how_often_the_case_has_them(self):
        columns = word_columns(trace_of([[5, 5], [6, 7], [7, 7], [6, 7]]))
        assert columns["frequency_start"] == [1, 2]
        assert columns["frequency_tokens"] == [1, 3]
        assert columns["frequency_exit_layer_mean"] == [1, pytest.approx(5 / 3)]


class TestCosts:
    """What a token costs, in a row and back."""

    def test_without_costs_only_layers_are_counted(self):
        columns = bound_columns(trace_of([[1, 1], [2, 1]]), None)
        assert columns.pop("speedup_bound_layers") == pytest.approx(4 / 3)
        assert set(columns.values()) == {None}
        assert cost_columns(None) == {}

    def test_a_cache_that_cannot_be_observed_has_no_bound(self):
        columns = all_columns(trace_of([[1, 1], [2, 1]]), costs_of(2, owed=False))
        assert columns["speedup_bound_head"] > 1
        assert columns["speedup_bound_kv"] is columns["speedup_bound_kv_flops"] is None
        assert columns["layer_owed_bytes"] is columns["layer_owed_flops"] is None

    def test_one_layer_that_cannot_be_observed_is_enough(self):
        costs = costs_of(2)
        costs = replace(costs, layers=(costs.layers[0], costs_of(2, owed=False).layers[1]))
        assert bound_columns(trace_of([[1, 1], [2, 1]]), costs)["speedup_bound_kv"] is None
        assert cost_columns(costs)["layer_owed_bytes"] is None

    def test_flops_have_bounds_of_their_own(self):
        # One token leaves behind layer 1 of 2: bytes 100, 101, head and embedding 307; FLOPs 50, 51, head 150.
        columns = bound_columns(trace_of([[1, 1]]), costs_of(2))
        assert columns["speedup_bound_head"] == pytest.approx(508 / 407)
        assert columns["speedup_bound_kv"] == pytest.approx(508 / 427)
        assert columns["speedup_bound_head_flops"] == pytest.approx(251 / 200)
        assert columns["speedup_bound_kv_flops"] == pytest.approx(251 / 210)

    @pytest.mark.parametrize("owed", [True, False])
    @pytest.mark.parametrize("mixer", ["attention", "recurrent", "attention+recurrent", "none"])
    @pytest.mark.parametrize("experts", [True, False])
    def test_a_row_gives_back_what_it_was_made_from(self, mixer: Any, experts: bool, owed: bool):
        plain = costs_of(3, owed)
        costs = replace(plain, layers=tuple(replace(layer, mixer=mixer, experts=experts) for layer in plain.layers))
        row = row_of(**cost_columns(costs), parameters=1000, active_parameters=900, vocab_size=4)
        assert costs_of_columns(row.model_dump()) == costs

    def test_a_row_without_costs_has_none(self):
        assert costs_of_columns(row_of().model_dump()) is None


@given(trace=traces())
# Every example overwrites the same file.
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_give_the_same_columns_again(trace: Trace, tmp_path: Path):
    costs = costs_of(trace.num_layers)
    columns = all_columns(trace, costs)
    store = Store(tmp_path)
    path = store.path("tiny", "chat", "oracle", "0123abcd")
    store.write(path, row_of(**columns, parameters=1000, active_parameters=900, vocab_size=4), trace)
    row = read_row(path)
    assert row is not None
    again = all_columns(Trace.read_parquet(path.with_suffix(".parquet")), costs_of_columns(row.model_dump()))
    assert again == columns == row.model_dump(include=set(columns))
