"""Laws of the columns: what is never larger than what, and how they answer to a change of the logits."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from every_column import (
    INTERVALS,
    JUDGED,
    TAU,
    all_but_gates,
    bound_columns,
    costs_of,
    exit_columns,
    half_columns,
    layer_columns,
    suitability_columns,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from strategies import MadeUp, made_up, traces

from benchmark.metrics.eas import eas_max
from benchmark.metrics.statistics import bootstrap as statistics
from benchmark.results.audit.row import flat
from benchmark.trace.record import Trace


@pytest.fixture(scope="module", autouse=True)
def few_draws() -> Iterator[None]:
    """A tenth of the draws: no test here is about the interval's third digit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "RESAMPLES", 1_000)
        yield


class TestOrder:
    """Which numbers can never be larger than which."""

    @given(traces())
    def test_exits(self, trace: Trace):
        columns = exit_columns(trace, seed=0)
        assert 1 <= columns["exit_layer_mean"] <= columns["exit_layer_settled_mean"] <= trace.num_layers
        assert 0 <= columns["skip_ratio_settled"] <= columns["skip_ratio"] < 1
        assert 0 <= columns["skip_ratio_chance"] < 1
        assert columns["agreement"][-1] == 1

    @given(traces())
    def test_hesitation_is_the_gap_between_the_two_exits(self, trace: Trace):
        columns = exit_columns(trace, seed=0)
        gap = columns["exit_layer_settled_mean"] - columns["exit_layer_mean"]
        assert columns["hesitation_layers_mean"] == pytest.approx(gap, abs=1e-12)
        assert columns["contradicted_share"] <= columns["hesitation_layers_mean"]

    @given(traces())
    def test_shares_of_exits_sum_to_one_and_have_the_mean_exit(self, trace: Trace):
        columns = exit_columns(trace, seed=0)
        layers = np.arange(1, trace.num_layers + 1)
        for share, mean in (("exit_share", "exit_layer_mean"), ("settled_share", "exit_layer_settled_mean")):
            assert sum(columns[share]) == pytest.approx(1)
            assert layers @ columns[share] == pytest.approx(columns[mean])

    @given(traces())
    def test_scores_lie_between_zero_and_the_largest(self, trace: Trace):
        columns = suitability_columns(trace, alpha=0.5, seed=0, tau=TAU)
        for score in ("eas", "eas_raw", "eas_hidden", "eas_topk"):
            assert 0 <= columns[score] <= eas_max(0.5, trace.num_layers) + 1e-12

    @given(traces())
    def test_a_higher_threshold_skips_no_more(self, trace: Trace):
        columns = suitability_columns(trace, alpha=0.5, seed=0, tau=TAU)
        for name in ("logit", "logit_raw", "hidden", "topk"):
            skipped = columns[f"tau_skip_ratio_{name}"]
            assert skipped == sorted(skipped, reverse=True)

    @given(traces())
    def test_bounds(self, trace: Trace):
        columns = bound_columns(trace, costs_of(trace.num_layers))
        assert 1 <= columns["speedup_bound_kv"] <= columns["speedup_bound_head"]
        assert 1 <= columns["speedup_bound_kv_flops"] <= columns["speedup_bound_head_flops"]

    @given(traces())
    def test_exits_between_halves_come_no_later(self, trace: Trace):
        columns = half_columns(trace, seed=0)
        assume(columns["half_exit_mean"] is not None)
        assert columns["half_skip_ratio_settled"] <= columns["half_skip_ratio"]
        assert columns["half_skip_ratio_layers"] <= columns["half_skip_ratio"] < 1

    @given(traces())
    def test_distributions(self, trace: Trace):
        columns = layer_columns(trace)
        assert columns["kl_nats"][-1] == pytest.approx(0, abs=1e-6)
        assert min(columns["kl_nats"]) > -1e-6
        assert all(-1e-6 < entropy < np.log(4) + 1e-6 for entropy in columns["entropy_nats"])
        assert columns["target_rank"][-1] == 1


class TestOfLogits:
    """How columns answer to what happens to the logits."""

    @given(made_up(), st.data())
    def test_a_constant_added_to_all_logits_of_an_exit_is_seen_by_the_raw_cosine_only(
        self, made: MadeUp, data: st.DataObject
    ):
        constants = data.draw(arrays(np.int64, (*made.logits.shape[:2], 1), elements=st.integers(-9, 9)))
        before = all_but_gates(made.trace())
        after = all_but_gates(replace(made, logits=made.logits + constants).trace())
        for column in before:
            if column != "eas_raw" and not column.endswith("logit_raw"):
                assert after[column] == before[column], column

    @given(made_up(), st.permutations(range(4)))
    def test_the_order_of_prompts_changes_nothing_but_what_is_drawn_and_how_they_are_halved(
        self, made: MadeUp, numbers: list[int]
    ):
        renumbered = np.array(numbers)[made.prompt]
        turned = replace(made, prompt=renumbered).tokens(np.argsort(renumbered, kind="stable"))
        before, after = all_but_gates(made.trace()), all_but_gates(turned.trace())
        assert_close(after, before, but=INTERVALS | JUDGED)

    @given(made_up(), st.integers(1, 3))
    def test_layers_at_the_end_that_do_nothing_add_to_what_is_skipped(self, made: MadeUp, more: int):
        layers = made.logits.shape[1]
        made = replace(made, has_half=np.ones(layers, bool))
        before = all_but_gates(made.trace())
        longer = made.layers([*range(layers), *[layers - 1] * more])
        # Half of doing nothing is doing nothing.
        longer.half_logits[:, layers:] = made.logits[:, -1:]
        after = all_but_gates(longer.trace())
        same = ("exit_layer_mean", "exit_layer_settled_mean", "half_exit_mean", "half_exit_settled_mean")
        assert_close({name: after[name] for name in same}, before)
        for name in ("skip_ratio", "skip_ratio_settled", "half_skip_ratio", "half_skip_ratio_settled"):
            assert after[name] * (layers + more) == pytest.approx(before[name] * layers + more), name
        for name, added in (("agreement", 1), ("exit_share", 0), ("settled_share", 0), ("half_agreement", 1)):
            assert after[name] == pytest.approx([*before[name], *[added] * more]), name

    @given(made_up())
    def test_a_layer_behind_each_that_does_nothing_doubles_every_depth(self, made: MadeUp):
        layers = made.logits.shape[1]
        made = replace(made, has_half=np.ones(layers, bool))
        doubled = made.layers(np.repeat(np.arange(layers), 2))
        doubled.half_logits[:, 1::2] = made.logits
        before, after = all_but_gates(made.trace()), all_but_gates(doubled.trace())
        # Layer ℓ is now layer 2ℓ − 1.
        for name in ("exit_layer_mean", "exit_layer_settled_mean"):
            assert after[name] == pytest.approx(2 * before[name] - 1), name
        assert after["exit_share"] == pytest.approx([part for share in before["exit_share"] for part in (share, 0)])
        # ℓ is now 2ℓ − 1, and ℓ − ½, behind its mixer, is 2(ℓ − ½) − ½.
        behind_mixer = sum(before["half_exit_share"])
        assert after["half_exit_mean"] == pytest.approx(2 * before["half_exit_mean"] - 1 + behind_mixer / 2)

    @given(made_up())
    def test_a_model_whose_layers_all_say_the_same_can_skip_all_but_one(self, made: MadeUp):
        layers = made.logits.shape[1]
        columns = all_but_gates(made.layers([layers - 1] * layers).trace())
        assert columns["skip_ratio"] == columns["skip_ratio_settled"] == pytest.approx((layers - 1) / layers)
        assert columns["kl_nats"] == [0] * layers
        assert columns["similarity_topk"] == [1] * layers


def assert_close(found: dict[str, Any], expected: dict[str, Any], but: set[str] | None = None) -> None:
    """Equal up to rounding, lists with nulls in them included."""
    for name in found.keys() - (but or set()):
        some, other = (list(flat(columns[name])) for columns in (found, expected))
        close = [pytest.approx(value, abs=1e-9) if isinstance(value, int | float) else value for value in other]
        assert some == close, name
