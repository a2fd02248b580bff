"""Signals of exits: block by block they are what all logits at once give, whatever the head and wherever ties stand."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from benchmark.readout import signals
from benchmark.readout.linear_head import LinearHead
from benchmark.readout.signals import signals_of_logits, signals_of_states, similarity_to_previous

WIDTH = 4


def head_of(vocabulary: int, bias: bool, scale: float, dtype: torch.dtype = torch.float32) -> LinearHead:
    torch.manual_seed(vocabulary)
    return LinearHead(nn.Linear(WIDTH, vocabulary, bias=bias, dtype=dtype), scale)


def at_once(head: LinearHead, states: torch.Tensor) -> dict[str, np.ndarray]:
    """The definitions, in double precision, of logits that the model's own product gives."""
    logits = nn.functional.linear(states, head.weight, head.bias).double().numpy() * head.scale
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    ordered = np.sort(p, axis=-1)
    return {
        "predictions": logits.argmax(axis=-1),
        "max_prob": ordered[:, -1],
        "prob_margin": ordered[:, -1] - (ordered[:, -2] if p.shape[1] > 1 else 0),
        "entropy": -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1),
    }


def assert_close(found: signals.Signals, expected: dict[str, np.ndarray]) -> None:
    assert found.predictions.tolist() == expected["predictions"].tolist()
    for name in ("max_prob", "prob_margin", "entropy"):
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=2e-5, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("scale", [1.0, 0.25])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("vocabulary", [1, 2, 6, 7, 8, 41])
def test_block_by_block_and_in_parts(vocabulary, bias, scale, dtype, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(signals, "_BLOCK", 7)  # the last block may hold one word
    monkeypatch.setattr(signals, "_ROWS", 3)
    head = head_of(vocabulary, bias, scale, dtype)
    states = (8 * torch.randn(10, WIDTH)).to(dtype)
    assert_close(signals_of_states(head, states), at_once(head, states))


@given(arrays(np.float32, (12, 1), elements=st.integers(-3, 3)), st.integers(1, 12))
def test_ties_within_and_across_blocks(weights: np.ndarray, block: int):
    """One state of one number: the logits are the weights, small whole numbers among which ties are many."""
    head = LinearHead(nn.Linear(1, 12, bias=False), 1.0)
    head.weight = torch.from_numpy(weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signals, "_BLOCK", block)
        assert_close(signals_of_states(head, torch.ones(1, 1)), at_once(head, torch.ones(1, 1)))


def test_far_apart_logits_neither_overflow_nor_vanish():
    head = LinearHead(nn.Linear(1, 3, bias=False), 1.0)
    head.weight = torch.tensor([[-300.0], [0.0], [300.0]])
    found = signals_of_states(head, torch.ones(1, 1))
    assert (found.max_prob, found.prob_margin, found.entropy) == (1, 1, 0)
    assert found.predictions.tolist() == [2]


@pytest.mark.parametrize("vocabulary", [1, 2, 30])
def test_logits_that_are_at_hand(vocabulary):
    head, states = head_of(vocabulary, True, 1.0), torch.randn(5, WIDTH)
    logits = nn.functional.linear(states, head.weight, head.bias)
    top = logits.topk(min(2, vocabulary))
    found, shifted, weight = signals_of_logits(logits, top.values, top.indices)
    assert_close(found, at_once(head, states))
    assert shifted.amax() == 0 and torch.equal(weight, shifted.exp())


def test_memory_holds_one_block_whatever_the_vocabulary(monkeypatch: pytest.MonkeyPatch):
    largest = []

    def watched(*arguments: torch.Tensor) -> torch.Tensor:
        product = nn.functional.linear(*arguments)
        largest.append(product.numel())
        return product

    monkeypatch.setattr(signals, "linear", watched)
    weight = torch.randn(20_000, WIDTH)
    head = SimpleNamespace(weight=weight, bias=None, scale=1.0)
    signals_of_states(head, torch.randn(3000, WIDTH))
    assert max(largest) == signals._BLOCK * signals._ROWS
    assert sum(largest) == 3000 * 20_000


def test_similarity_of_a_state_to_itself_to_its_opposite_and_to_nothing():
    state = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])
    found = similarity_to_previous([state, state, -state, 0 * state], 0)
    assert found[:, 0].isnan().all()
    np.testing.assert_allclose(found[:, 1:], [[1, -1, 0]] * 2, atol=1e-6)
