"""What is made of a trace without the model: the columns of its row, scored as asked."""

import numpy as np
import pandas as pd
import pytest
from every_column import bound_columns, costs_of, exit_columns, suitability_columns
from strategies import row_of, trace_of

from benchmark.cases.model_trace import ModelTrace
from benchmark.errors import InputError
from benchmark.metrics.gates.gate import Margin
from benchmark.metrics.gates.seen import Seen
from benchmark.metrics.scoring import TAU
from benchmark.metrics.tables.tokens import token_table
from benchmark.trace.costs import cost_columns

# Two prompts, three layers. Token 1 is there from layer 2 on, token 2 at once and then for a layer not.
ARRAYS = trace_of([[4, 5, 5], [6, 4, 6], [4, 5, 7]], prompt=[0, 0, 1], text=["an", " apple", "pie"])
COSTS = cost_columns(costs_of(3)) | {"parameters": 1000, "active_parameters": 900, "vocab_size": 4}
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


class TestSpeculation:
    """Lossless early exit, prompt by prompt."""

    def test_by_hand(self):
        # Layer 2 has the first token of prompt 0 and of neither text another: two rounds, of which the first drafts one
        # right and the text ends; prompt 1 takes one.
        found = TRACE.speculation(exit_layer=2, draft_length=1)
        assert found.columns.tolist() == [
            "prompt",
            "tokens",
            "rounds",
            "tokens_per_round",
            "speedup",
            "speedup_unshared",
        ]
        assert found[["prompt", "tokens", "rounds"]].to_numpy().tolist() == [[0, 2, 1], [1, 1, 1]]
        # Layers of 100, 101 and 102 bytes, a head of 300 and an embedding of 7.
        assert found["speedup"].tolist() == pytest.approx([2 * 610 / (2 * 508 + 102), 610 / (2 * 508 + 102)])
        assert found["speedup_unshared"].tolist() == pytest.approx(found["speedup"])

    def test_without_costs_there_are_rounds_and_no_speed(self):
        found = ModelTrace(ARRAYS, ("one", "two"), row_of()).speculation(1, 4)
        assert found["rounds"].notna().all() and found["speedup"].isna().all()

    @pytest.mark.parametrize("layer", [0, 3, -1, 1.5, "2"])
    def test_an_exit_layer_outside_its_range_is_refused(self, layer: object):
        with pytest.raises(InputError, match=r"^exit_layer: must be a whole number from 1 to 2, not "):
            TRACE.speculation(layer, 2)

    @pytest.mark.parametrize("length", [0, -3, 2.5])
    def test_a_draft_length_outside_its_range_is_refused(self, length: object):
        with pytest.raises(InputError, match=r"^draft_length: must be a whole number of at least 1, not "):
            TRACE.speculation(1, length)

    def test_an_encoder_writes_no_text(self):
        encoder = ModelTrace(ARRAYS, ("one", "two"), row_of(architecture="encoder", num_layers=3))
        with pytest.raises(InputError, match="an encoder writes no text"):
            encoder.speculation(1, 2)


class TestGateCurve:
    """Everything that a gate can do."""

    SURE = ModelTrace(
        trace_of([[5, 5, 5], [4, 5, 5]], prob_margin=[[0.75, 0.75, 1], [0.25, 0.5, 1]]),
        ("one",),
        row_of(num_layers=3, **COSTS),
    )

    def test_by_hand(self):
        found = self.SURE.gate_curve("margin")
        assert found["threshold"].tolist() == [float("inf"), 0.75, 0.5, 0.25]
        assert found["skip_ratio"].tolist() == pytest.approx([0, 1 / 3, 1 / 2, 2 / 3])
        assert found["agreement"].tolist() == [1, 1, 1, 0.5]
        # Both leave at layer 1 in the end, and pay one look each.
        assert found["speed"].iloc[-1] == pytest.approx(610 / 407)

    def test_fewer_looks(self):
        found = self.SURE.gate_curve("margin", min_exit_layer=2, check_every=5)
        assert found["threshold"].tolist() == [float("inf"), 0.75, 0.5]
        assert found["speed"].iloc[0] == pytest.approx(610 / 910)  # one look that pays nothing

    def test_one_of_somebodys_own(self):
        class Twice(Margin):
            name = "twice"

            def signal(self, seen: Seen) -> np.ndarray:
                return seen.prob_margin / 2

        assert self.SURE.gate_curve(Twice())["threshold"].tolist() == [float("inf"), 0.375, 0.25, 0.125]

    @pytest.mark.parametrize(("word", "meant"), [("margn", "; did you mean 'margin'?"), ("zzz", "")])
    def test_a_gate_that_nobody_knows_is_refused_with_the_nearest(self, word: str, meant: str):
        with pytest.raises(InputError) as raised:
            self.SURE.gate_curve(word)
        assert str(raised.value) == (
            f"gate: there is no '{word}'; there are: max_prob, margin, entropy, saturation, patience, static, learned, "
            f"oracle{meant}"
        )

    def test_signals_that_were_not_kept_are_named_with_the_remedy(self):
        arrays = trace_of([[5, 5, 5], [4, 5, 5]], sampled=[True, False])
        some = ModelTrace(arrays, ("one",), row_of(num_layers=3, **COSTS))
        reason = r"^gate 'margin': signals were kept of 1 of 2 tokens; trace with signals=\"all\"$"
        with pytest.raises(InputError, match=reason):
            some.gate_curve("margin")
        assert len(some.gate_curve("static")) == 3

    @pytest.mark.parametrize(("first", "every"), [(0, 1), (3, 1), (1, 0), (1, 1.5)])
    def test_looks_outside_their_range_are_refused(self, first: int, every: int):
        with pytest.raises(InputError, match=r"^(min_exit_layer|check_every): must be a whole number"):
            self.SURE.gate_curve("margin", min_exit_layer=first, check_every=every)
