"""What is made of a trace without the model: the columns of its row, scored as asked."""

import pandas as pd
import pytest
from every_column import bound_columns, costs_of, exit_columns, suitability_columns
from strategies import row_of, trace_of

from benchmark.cases.model_trace import ModelTrace
from benchmark.errors import InputError
from benchmark.metrics.scoring import TAU
from benchmark.metrics.token_table import token_table
from benchmark.trace.costs import cost_columns

# Two prompts, three layers. Token 1 is there from layer 2 on, token 2 at once and then for a layer not.
ARRAYS = trace_of([[4, 5, 5], [6, 4, 6], [4, 5, 7]], prompt=[0, 0, 1], text=["an", " apple", "pie"])
COSTS = cost_columns(costs_of(3)) | {"parameters": 1000, "active_parameters": 900}
TRACE = ModelTrace(ARRAYS, ("one", "two"), row_of(model="tiny", seed=7, num_layers=3, **COSTS))


def test_a_line_a_token():
    expected = pd.DataFrame(
        {
            "prompt": [0, 0, 1],
            "position": [0, 1, 0],
            "token": [5, 6, 7],
            "text": ["an", " apple", "pie"],
            "exit_layer": [2, 1, 3],
            "exit_layer_settled": [2, 3, 3],
        }
    )
    pd.testing.assert_frame_equal(token_table(ARRAYS), expected, check_dtype=False)
    pd.testing.assert_frame_equal(TRACE.tokens(), token_table(ARRAYS))


def test_the_columns_are_those_of_the_experiments_and_of_the_setting():
    columns = TRACE.columns()
    assert (columns["model"], columns["num_layers"], columns["alpha"]) == ("tiny", 3, 0.5)
    expected = {
        **exit_columns(ARRAYS, seed=7),
        **suitability_columns(ARRAYS, 0.5, 7, TAU),
        **bound_columns(ARRAYS, costs_of(3)),
    }
    assert {name: columns[name] for name in expected} == expected


def test_alpha_and_the_thresholds_are_chosen_afterwards():
    columns = TRACE.columns(alpha=0, tau=[0.25, 1])
    assert (columns["alpha"], columns["tau"]) == (0, [0.25, 1])
    assert columns["eas"] == pytest.approx((2 / 3 + 1 / 3 + 0) / 3)  # the mean of (L − ℓ)/L alone


def test_without_costs_there_is_only_the_bound_that_counts_layers():
    columns = ModelTrace(ARRAYS, ("one", "two"), row_of()).columns()
    assert columns["speedup_bound_layers"] == 3 / 2
    assert columns["speedup_bound_head"] is None


def test_an_alpha_outside_its_range_is_refused():
    with pytest.raises(InputError, match=r"^alpha: must be a number between 0 and 1, not 2$"):
        TRACE.columns(alpha=2)


def test_it_shows_itself_in_a_line():
    assert repr(TRACE) == "<tiny: 3 tokens × 3 layers>"
