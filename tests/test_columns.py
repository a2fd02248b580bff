"""From a trace to the columns of a row, on a text of five tokens and three layers."""

import numpy as np
import pytest
from hypothesis import given
from strategies import SIMILARITIES, trace_of, traces

from benchmark.columns import result_columns
from benchmark.row import Row
from benchmark.suitability import eas_max
from benchmark.trace import Trace

# First-match exits 1 2 1 3 2, settled exits 1 2 3 3 2.
TEXT = trace_of(
    [[7, 7, 7], [1, 7, 7], [8, 2, 8], [3, 4, 7], [5, 9, 9]],
    prompt=[0, 0, 0, 1, 1],
    margin=[1.0, 0.0, 1.0, 1.0, 1.0],
    similarity_logit=[[0.5, 0.5, 1], [0.5, 0.5, 1], [0.5, 0.5, 1], [0.5, 0.5, 1], [-0.5, 1, 1]],
    similarity_logit_raw=[[-0.6, -0.2, 1]] * 5,
    similarity_hidden=[[0.0, 0.0, 1]] * 5,
    similarity_topk=[[0.1, 0.4, 1]] * 5,
)


@pytest.fixture(scope="module")
def columns():
    return result_columns(TEXT, alpha=0.5, seed=0)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("exit_layer_mean", (1 + 2 + 1 + 3 + 2) / 5),
        ("exit_layer_settled_mean", (1 + 2 + 3 + 3 + 2) / 5),
        ("skip_ratio", (2 + 1 + 2 + 0 + 1) / 3 / 5),
        ("skip_ratio_settled", (2 + 1 + 0 + 0 + 1) / 3 / 5),
        # The text has three 7, one 8 and one 9. Where they would exit early: 7 at layer 1 of the first position and
        # layer 2 of the second, 8 at layer 1 of the third, 9 at layer 2 of the fifth.
        ("skip_ratio_chance", (3 / 5 * 2 / 3 + 3 / 5 * 1 / 3 + 1 / 5 * 2 / 3 + 1 / 5 * 1 / 3) / 5),
        ("speedup_bound_layers", 3 / (9 / 5)),
        ("tie_rate", 1 / 5),
        ("agreement", [2 / 5, 3 / 5, 1]),
        ("exit_share", [2 / 5, 2 / 5, 1 / 5]),
        ("similarity_logit", [0.3, 0.6, 1]),
        ("similarity_logit_raw", [-0.6, -0.2, 1]),
        ("similarity_hidden", [0, 0, 1]),
        ("similarity_topk", [0.1, 0.4, 1]),
        ("similarity_topk_tokens", 5),
        ("eas", ((0.3 * 2 / 3) ** 0.5 + (0.6 * 1 / 3) ** 0.5) / 3),
        ("eas_raw", 0),
        ("eas_hidden", 0),
        ("eas_topk", ((0.1 * 2 / 3) ** 0.5 + (0.4 * 1 / 3) ** 0.5) / 3),
    ],
)
def test_column_by_hand(columns, column: str, value: float | list[float]):
    assert columns[column] == pytest.approx(value)


def test_normalized_eas_is_a_share_of_the_largest(columns):
    assert columns["eas_normalized"] == pytest.approx(columns["eas"] / eas_max(0.5, 3))


def test_the_interval_is_over_prompts(columns):
    # Prompt 0 skips 5 layers of 9, prompt 1 skips 1 of 6; two prompts reach from one to the other.
    assert columns["skip_ratio_ci_low"] == pytest.approx(1 / 6)
    assert columns["skip_ratio_ci_high"] == pytest.approx(5 / 9)


def test_one_prompt_has_no_interval():
    columns = result_columns(trace_of([[1, 2], [2, 2]]), alpha=0.5, seed=0)
    assert columns["skip_ratio_ci_low"] is None
    assert columns["skip_ratio_ci_high"] is None


def test_a_model_of_one_layer_has_nothing_to_normalize_by():
    columns = result_columns(trace_of([[1], [2]]), alpha=0.5, seed=0)
    assert (columns["eas"], columns["eas_normalized"]) == (0, None)


def test_every_column_is_one_of_the_row(columns):
    assert set(columns) <= set(Row.model_fields)


@given(traces())
def test_columns_keep_their_order_of_size(trace: Trace):
    columns = result_columns(trace, alpha=0.5, seed=0)
    assert 1 <= columns["exit_layer_mean"] <= columns["exit_layer_settled_mean"] <= trace.num_layers
    assert 0 <= columns["skip_ratio_settled"] <= columns["skip_ratio"] < 1
    assert sum(columns["exit_share"]) == pytest.approx(1)
    assert columns["agreement"][-1] == 1


@given(traces())
def test_there_is_an_interval_exactly_when_there_are_two_prompts(trace: Trace):
    columns = result_columns(trace, alpha=0.5, seed=0)
    if len(set(trace.prompt.tolist())) == 1:
        assert columns["skip_ratio_ci_low"] is None
    else:
        assert columns["skip_ratio_ci_low"] <= columns["skip_ratio_ci_high"]


@given(traces())
def test_the_order_of_prompts_changes_nothing_but_the_interval(trace: Trace):
    turned = -np.unique(trace.prompt)
    order = np.argsort(-trace.prompt, kind="stable")
    reordered = Trace(
        **{name: getattr(trace, name)[order] for name in ("position", "predictions", "margin", *SIMILARITIES)},
        prompt=np.searchsorted(np.sort(turned), -trace.prompt[order]),
    )
    before, after = (result_columns(one, alpha=0.5, seed=0) for one in (trace, reordered))
    for column in before.keys() - {"skip_ratio_ci_low", "skip_ratio_ci_high"}:
        assert after[column] == pytest.approx(before[column], abs=1e-12), column


@given(traces())
def test_layers_at_the_end_that_change_nothing_raise_the_skip_ratio_as_arithmetic_says(trace: Trace):
    layers = trace.num_layers
    longer = trace_of(
        np.hstack([trace.predictions, trace.predictions[:, -1:]]),
        prompt=trace.prompt,
        **{name: np.hstack([getattr(trace, name), np.ones((trace.num_tokens, 1))]) for name in SIMILARITIES},
    )
    before, after = (result_columns(one, alpha=0.5, seed=0) for one in (trace, longer))
    assert after["exit_layer_mean"] == before["exit_layer_mean"]
    assert after["skip_ratio"] == pytest.approx((before["skip_ratio"] * layers + 1) / (layers + 1))
    assert after["agreement"] == [*before["agreement"], 1]
