"""Self-speculation from the trace: rounds against a naive simulation, bytes by hand, and columns at their edges."""

from dataclasses import replace

import numpy as np
import pytest
from every_column import costs_of
from hypothesis import given
from hypothesis import strategies as st
from strategies import trace_of, traces

from benchmark.metrics.experiments.speculation import SPECULATION
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.speculation import DRAFT_LENGTHS, round_bytes, rounds
from benchmark.metrics.statistics.folds import two_folds
from benchmark.trace.costs import Costs, LayerCost
from benchmark.trace.record import Trace


def simulated(matches: list[bool], draft_length: int) -> tuple[int, int]:
    """Rounds of one text and one exit layer, token by token, and how many of them threw a draft away."""
    text = list(enumerate(matches))
    count = thrown = 0
    while text:
        count += 1
        drafted = 0
        while text and drafted < draft_length:
            _, right = text[0]
            if not right:
                thrown += 1
                break
            text.pop(0)  # a draft that the check agrees with
            drafted += 1
        if text:
            text.pop(0)  # the token of the check itself
    return count, thrown


@given(traces(max_tokens=20), st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple))
def test_rounds_equal_a_naive_simulation(trace: Trace, lengths: tuple[int, ...]):
    found = rounds(trace.matches, trace.prompt, lengths)
    for row, text in enumerate(found.texts):
        matches = trace.matches[trace.prompt == text]
        assert found.tokens[row] == len(matches)
        for layer in range(trace.num_layers):
            for number, length in enumerate(lengths):
                expected = simulated(matches[:, layer].tolist(), length)
                assert (found.rounds[row, layer, number], found.rejections[row, layer, number]) == expected


@given(traces(max_tokens=12), st.randoms(use_true_random=False))
def test_the_order_of_the_texts_changes_nothing(trace: Trace, shuffle):
    texts = list(np.unique(trace.prompt))
    shuffle.shuffle(texts)
    order = np.concatenate([np.flatnonzero(trace.prompt == text) for text in texts])
    plain, turned = (rounds(trace.matches[some], trace.prompt[some], (1, 3)) for some in (slice(None), order))
    for one, other in zip(plain, turned, strict=True):
        assert one.tolist() == other.tolist()


def test_by_hand():
    # Right, right, wrong, right, right, right: with γ = 2 the check gives the third, then the sixth token.
    trace = trace_of([[7, 7], [7, 7], [1, 7], [7, 7], [7, 7], [7, 7]])
    found = rounds(trace.matches, trace.prompt, (1, 2, 8))
    assert found.rounds[0, 0].tolist() == [4, 2, 2]
    assert found.rejections[0, 0].tolist() == [1, 0, 1]


def mixture(experts: bool = True, mixer: str = "attention", owed: int | None = 20) -> Costs:
    """Two layers of 100 bytes; of the second, 40 are those of 1 of 3 experts."""
    plain = LayerCost(mixer, False, 100, 0, owed, 0)
    routed = LayerCost("attention", True, 100, 0, 20, 0, active_expert_bytes=40, expert_bytes=120)
    return Costs((plain, routed if experts else plain), 50, 0, 10, 0, 1000, 900, vocab_size=4)


class TestBytes:
    """The formulas, by hand."""

    def test_shared_and_unshared(self):
        cost = round_bytes(mixture(experts=False), (3,))
        assert cost.token == 260
        # E = 1: four times layer 1, embedding and head, once layer 2; then three times, and all of it.
        assert cost.shared[0, 0] == 4 * 160 + 100
        assert cost.unshared[0, 0] == 3 * 160 + 260
        assert cost.rollback[0, 0] == cost.rollback_unshared[0, 0] == 0

    def test_a_check_reads_more_experts_up_to_all(self):
        costs = mixture()
        assert [costs.layers[1].bytes_of(tokens) for tokens in (1, 2, 3, 4)] == [100, 140, 180, 180]
        cost = round_bytes(costs, (1, 8))
        assert cost.shared[0].tolist() == [2 * 160 + 140, 9 * 160 + 180]
        assert cost.unshared[0].tolist() == [160 + 300, 8 * 160 + 340]

    def test_recurrent_layers_update_their_states_once_more(self):
        cost = round_bytes(mixture(experts=False, mixer="recurrent"), (1,))
        assert cost.rollback[:, 0].tolist() == [40, 40]
        assert cost.rollback_unshared[:, 0].tolist() == [60, 80]

    def test_without_knowing_what_updates_a_state_nothing_is_known(self):
        assert round_bytes(mixture(experts=False, mixer="recurrent", owed=None), (1,)) is None
        assert round_bytes(mixture(experts=False, owed=None), (1,)) is not None


def columns_of(trace: Trace, costs: Costs | None = None, **changes: object) -> dict[str, object]:
    costs = replace(costs or costs_of(trace.num_layers), **changes)
    return SPECULATION.of(trace, Scoring(), costs).model_dump()


class TestColumns:
    """What a row gets."""

    @given(traces(max_tokens=16))
    def test_tokens_per_round_are_between_one_and_a_whole_draft_and_one(self, trace: Trace):
        columns = columns_of(trace)
        tokens = np.array(columns["speculation_tokens_per_round"])
        assert tokens.shape == (len(DRAFT_LENGTHS), trace.num_layers)
        assert (tokens >= 1).all() and (np.array(DRAFT_LENGTHS) + 1 >= tokens.T).all()
        assert (np.diff(tokens, axis=0) >= 0).all()

    @given(traces(max_tokens=16))
    def test_what_is_chosen_is_the_best_and_judged_by_the_other_half(self, trace: Trace):
        if trace.num_layers == 1:
            assert columns_of(trace)["speedup_speculation"] is None
            return
        costs, columns = costs_of(trace.num_layers), columns_of(trace)
        counted, cost = rounds(trace.matches, trace.prompt, DRAFT_LENGTHS), round_bytes(costs, DRAFT_LENGTHS)
        read = (counted.rounds * cost.shared)[:, :-1]
        best = read.sum(axis=0)[
            columns["speculation_exit_layer"] - 1, DRAFT_LENGTHS.index(columns["speculation_draft_length"])
        ]
        assert best == read.sum(axis=0).min()
        # Judged on other prompts, a choice is never better than the best there.
        fastest = sum(read[judged].sum(axis=0).min() for _, judged in two_folds(counted.texts))
        assert columns["speedup_speculation"] <= cost.token * trace.num_tokens / fastest + 1e-9

    def test_one_prompt_is_judged_on_itself_without_an_interval(self):
        columns = columns_of(trace_of([[7, 7]] * 9))
        assert columns["speedup_speculation"] is not None
        assert columns["speedup_speculation_ci_low"] is columns["speedup_speculation_ci_high"] is None
        assert (columns["speculation_exit_layer"], columns["speculation_draft_length"]) == (1, 8)

    def test_texts_of_one_token_are_one_round_each(self):
        columns = columns_of(trace_of([[7, 7], [1, 2]], prompt=[0, 1]))
        assert columns["speculation_tokens_per_round"] == [[1, 1]] * len(DRAFT_LENGTHS)
        assert columns["speedup_speculation"] < 1
        # All choices take as many rounds: the shortest draft reads the least.
        assert (columns["speculation_exit_layer"], columns["speculation_draft_length"]) == (1, 1)

    def test_an_encoder_and_a_model_without_costs_speculate_nothing(self):
        trace = trace_of([[7, 7]] * 4)
        assert set(columns_of(trace, task="masked").values()) == {None}
        assert set(SPECULATION.of(trace, Scoring(), None).model_dump().values()) == {None}

    def test_recurrent_models_say_that_states_are_taken_back_and_pay_for_it(self):
        trace = trace_of([[7, 7], [1, 7], [1, 7]] * 4, prompt=[0] * 6 + [1] * 6)
        plain, recurrent = mixture(experts=False), mixture(experts=False, mixer="recurrent")
        assert not columns_of(trace, plain)["speculation_rollback"]
        columns = columns_of(trace, recurrent)
        assert columns["speculation_rollback"]
        assert columns["speedup_speculation"] < columns_of(trace, plain)["speedup_speculation"]


def test_folds_are_prompts_of_even_and_odd_number():
    (first, second) = two_folds(np.array([0, 0, 1, 3, 4]))
    assert first[0].tolist() == second[1].tolist() == [True, True, False, False, True]
    assert first[1].tolist() == second[0].tolist() == [False, False, True, True, False]


@pytest.mark.parametrize("prompt", [[3, 3], [0, 2, 4]])
def test_prompts_of_one_half_are_judged_on_themselves(prompt: list[int]):
    ((chosen_by, judged_by),) = two_folds(np.array(prompt))
    assert chosen_by.all() and judged_by.all()
