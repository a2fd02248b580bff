"""What seconds say, reckoned by hand."""

import numpy as np
import pytest
from clocked import ALONE, FULL, GENERATE, LAYERS, REPLAY, timed
from every_column import costs_of

from benchmark.metrics.experiments.clock import clock_columns
from benchmark.metrics.scoring import Scoring
from benchmark.trace.timed import Clocked, Drafted, Late, Timing


def columns(record, costs=None):
    return clock_columns(record, Scoring(), costs)


def test_a_batch_counts_with_the_median_of_its_rounds():
    found = columns(timed())
    assert found.replay_speedup == pytest.approx((4.0 + 2.2) / (2.0 + 1.1))
    assert found.replay_speedup_rounds == pytest.approx([6.0 / 3.0, 6.4 / 3.2, 6.4 / 3.2])
    assert found.round_spread == pytest.approx(11.1 / 5.0)
    assert found.replay_overhead == pytest.approx((4.0 + 2.2) / (3.3 + 2.1))
    assert found.step_seconds == pytest.approx((3.3 + 2.1) / 5)
    assert found.replay_speedup_alone is None and found.synchronization_loss is None
    assert found.deferred_speedup is None and found.drafted_speedups is None


def test_exits_are_those_of_the_replayed_tokens():
    found = columns(timed())
    assert found.exit_layer_mean == pytest.approx(19 / 8)
    assert found.skip_ratio == pytest.approx(np.mean([3, 0, 2, 1, 3, 2, 2, 0]) / 4)
    assert found.exit_share == pytest.approx([2 / 8, 3 / 8, 1 / 8, 2 / 8])


def test_a_step_is_bound_by_the_deepest_of_its_texts():
    costs = costs_of(LAYERS)
    found = columns(timed(), costs)
    upto = np.cumsum([layer.weight_bytes for layer in costs.layers])
    other = costs.embedding_bytes + costs.head_bytes
    deepest = np.array([3, 4, 2, 4, 2])  # of the three steps of one batch and the two of the other
    bound = (other + upto[-1]) / np.mean(other + upto[deepest - 1])
    assert found.replay_bound == pytest.approx(bound)
    assert found.replay_speedup is not None
    assert found.realised == pytest.approx((1 - 1 / found.replay_speedup) / (1 - 1 / bound))


def test_without_anything_to_gain_nothing_arrives():
    assert columns(timed(exit_layer=np.full(8, LAYERS)), costs_of(LAYERS)).realised is None


def test_waiting_for_the_last_text_costs_what_leaving_alone_saves():
    found = columns(timed(ALONE))
    assert found.replay_speedup_alone == pytest.approx((4.0 + 2.2) / (1.0 + 0.55))
    assert found.synchronization_loss == pytest.approx(1 - 2.0 / 4.0)


def test_leaving_alone_is_told_of_the_batches_in_which_it_was_timed():
    found = columns(timed(Timing("replay_alone", (0,), (3,), ((1.0,), (1.0,), (1.1,)))))
    assert found.replay_speedup_alone == pytest.approx(4.0 / 1.0)
    assert found.synchronization_loss == pytest.approx(1 - 1.0 / 2.0)


def test_tokens_that_are_not_the_texts_are_counted():
    assert columns(timed(replayed=np.arange(8) != 3)).replay_differing == 1


def test_deferred_decoding_is_held_against_the_batches_that_were_timed_in_it():
    late = (
        Timing("deferred_full", (0, 1), (3, 2), ((3.6, 2.4),) * 3),
        Timing("deferred_oracle", (0, 1), (3, 2), ((3.0, 2.0),) * 3),
        Timing("deferred_gate", (1,), (4,), ((3.0,), (2.0,), (9.0,))),
    )
    found = columns(timed(*late, late=Late(pending=(1, 2, 1), exits=(0, 3, 0, 1), same=3)))
    assert found.deferred_overhead == pytest.approx(6.0 / 5.4)
    assert found.deferred_speedup_oracle == pytest.approx(6.0 / 5.0)
    assert found.deferred_speedup == pytest.approx((2.1 / 2) / (3.0 / 4))
    assert found.deferred_exit_layer_mean == pytest.approx((3 * 2 + 4) / 4)
    assert found.deferred_same_until == pytest.approx(3 / 4)
    assert found.deferred_pending == [1, 2, 1]
    assert found.deferred_pending_mean == pytest.approx(1.0)


def test_self_speculation_is_held_against_its_prediction():
    costs = costs_of(LAYERS)
    found = columns(timed(drafted=(Drafted(2, 3, 12, 5, (1.0, 2.0, 9.0), (3.0, 3.0, 4.0)),)), costs)
    assert found.drafted_exit_layers == [2] and found.drafted_lengths == [3] and found.drafted_rounds == [5]
    assert found.drafted_speedups == pytest.approx([1.5])
    drafts = sum(layer.weight_bytes for layer in costs.layers[:2]) + costs.embedding_bytes + costs.head_bytes
    check = sum(layer.bytes_of(4) for layer in costs.layers) + costs.embedding_bytes + costs.head_bytes
    assert found.drafted_predicted == pytest.approx([12 * costs.token_bytes / (5 * (3 * drafts + check))])


def test_one_batch_has_no_interval():
    ways = (GENERATE, FULL, REPLAY)
    first = [Timing(way.way, (0,), way.steps[:1], tuple(row[:1] for row in way.seconds)) for way in ways]
    arrays = {name: array[:5] for name, array in vars(timed()).items() if name != "clocked"}
    found = columns(timed(**arrays, clocked=Clocked(LAYERS, tuple(first), None, ())))
    assert found.replay_speedup_ci_low is None and found.replay_speedup == pytest.approx(2.0)
