"""Exits of texts that really leave early, and what a token costs: against plain loops, layer by layer."""

from dataclasses import replace

import numpy as np
import pytest
from every_column import costs_of
from hypothesis import given
from texts import GATED, LAYERS, decoded_of, decodings

from benchmark.metrics.experiments.decoding import DECODING, DecodingColumns
from benchmark.metrics.scoring import Scoring
from benchmark.trace.costs import Costs
from benchmark.trace.decoded import Decoded

COSTS = costs_of(LAYERS)


def columns(decoded: Decoded, costs: Costs | None = COSTS) -> DecodingColumns:
    return DECODING.of(decoded, Scoring(), costs)


def bytes_of(decoded: Decoded, token: int, costs: Costs) -> tuple[int, int, int]:
    """Looks, runs of the head and bytes of one token, by walking through the layers."""
    gated, leaves = decoded.gated, int(decoded.exit_layer[token])
    if decoded.position[token] == 0:
        return 0, 1, costs.token_bytes
    looks = heads = 0
    read = costs.embedding_bytes
    for number, layer in enumerate(costs.layers, start=1):
        if number <= leaves:
            read += layer.weight_bytes
            if number in gated.looks:
                looks += 1
                heads += gated.head
        elif gated.policy == "propagate":
            read += layer.owed_bytes or 0
    # Who looks with the head has run it where the token leaves; the others run it once, for the token.
    if not gated.head or leaves == gated.num_layers:
        heads += 1
    return looks, heads, read + heads * costs.head_bytes


@given(decoded=decodings())
def test_every_token_is_counted_by_hand(decoded: Decoded):
    row = columns(decoded)
    by_token = [bytes_of(decoded, token, COSTS) for token in np.flatnonzero(~decoded.full)]
    looks, heads, read = np.array(by_token).mean(axis=0)
    assert row.looks_per_token == pytest.approx(looks)
    assert row.heads_per_token == pytest.approx(heads)
    assert row.speedup_gated == pytest.approx(COSTS.token_bytes / read)


@given(decoded=decodings())
def test_what_is_skipped_is_what_lies_behind_the_exits(decoded: Decoded):
    row, exits = columns(decoded), decoded.exit_layer[~decoded.full].tolist()
    assert row.exit_layer_mean == pytest.approx(sum(exits) / len(exits))
    assert row.skip_ratio == pytest.approx(sum((LAYERS - layer) / LAYERS for layer in exits) / len(exits))
    assert row.exit_share == pytest.approx([exits.count(layer) / len(exits) for layer in range(1, LAYERS + 1)])


def test_the_full_model_s_own_text_counts_for_nothing():
    some = decoded_of({1: [(1, 4), (2, 1)]}, {1: [1, 2]})
    longer = decoded_of({1: [(1, 4), (2, 1)]}, {1: [1, 2, 3, 4, 5]})
    assert columns(some).skip_ratio == columns(longer).skip_ratio == 0.375


def test_a_text_that_never_leaves_costs_what_its_looks_cost():
    row = columns(decoded_of({1: [(1, 4), (2, 4), (3, 4)]}, {1: [1, 2, 3]}))
    assert (row.skip_ratio, row.looks_per_token, row.heads_per_token) == (0.0, 2.0, 3.0)
    assert row.speedup_gated is not None and row.speedup_gated < 1


@pytest.mark.parametrize(("policy", "known"), [("propagate", False), ("recompute", True), ("copy", True)])
def test_where_it_is_not_known_what_layers_owe_propagating_has_no_price(policy: str, known: bool):
    decoded = decoded_of({1: [(1, 4), (2, 2)]}, {1: [1, 2]}, gated=replace(GATED, policy=policy))
    row = columns(decoded, costs_of(LAYERS, owed=False))
    assert (row.speedup_gated is not None) == known
    assert row.skip_ratio == 0.25


def test_without_costs_there_is_no_speed():
    row = columns(decoded_of({1: [(1, 4), (2, 2)]}, {1: [1, 2]}), None)
    assert (row.speedup_gated, row.speedup_gated_ci_low, row.skip_ratio) == (None, None, 0.25)


def test_one_prompt_has_no_interval_and_says_so():
    row = columns(decoded_of({1: [(1, 4), (2, 2)]}, {1: [1, 2]}))
    assert row.skip_ratio_ci_low is None and row.same_until_ci_low is None
    assert "one prompt" in (row.interval_missing or "")


@given(decoded=decodings())
def test_intervals_hold_what_they_are_of(decoded: Decoded):
    row = columns(decoded)
    for name in ("skip_ratio", "speedup_gated", "same_until", "token_agreement", "chrf", "score"):
        low, value, high = (getattr(row, f"{name}{end}") for end in ("_ci_low", "", "_ci_high"))
        assert low is None or low - 1e-9 <= value <= high + 1e-9
