"""Rank, overlap, entropy, divergence and margin of whole distributions, against their definitions."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmark.readout.distributions import Distributions, describe


@st.composite
def logits(draw: st.DrawFn) -> np.ndarray:
    """n × L × V: small whole numbers, so that there are ties; shifted, because probabilities do not see that."""
    shape = tuple(draw(st.integers(1, size)) for size in (4, 4, 7))
    shift = draw(st.sampled_from([0.0, 100.0, -1000.0]))
    return draw(arrays(np.float32, shape, elements=st.integers(-4, 4).map(float))) + np.float32(shift)


def described(values: np.ndarray, top_k: int = 1) -> Distributions:
    # A copy, because it is overwritten.
    return describe(torch.tensor(values), torch.from_numpy(values[:, -1].argmax(-1)), top_k)


def probabilities(values: np.ndarray) -> np.ndarray:
    shifted = values.astype(np.float64) - values.max(axis=-1, keepdims=True)
    return np.exp(shifted) / np.exp(shifted).sum(axis=-1, keepdims=True)


@given(logits())
def test_predictions_and_ranks_give_ties_to_the_lowest_id(values: np.ndarray):
    found = described(values)
    order = np.argsort(-values, axis=-1, kind="stable")
    assert found.signals.predictions.tolist() == order[..., 0].tolist()
    target = values[:, -1].argmax(-1)
    assert found.rank.tolist() == (1 + (order == target[:, None, None]).argmax(-1)).tolist()


@given(logits())
def test_entropy_is_that_of_the_softmax(values: np.ndarray):
    p = probabilities(values)
    np.testing.assert_allclose(described(values).signals.entropy, -(p * np.log(p)).sum(-1), atol=1e-5)


@given(logits())
def test_divergence_is_of_the_last_distribution_from_each(values: np.ndarray):
    p = probabilities(values)
    expected = (p[:, -1:] * (np.log(p[:, -1:]) - np.log(p))).sum(-1)
    found = described(values).kl
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert (found >= 0).all() and (found[:, -1] == 0).all()


@pytest.mark.parametrize("vocab", [50_000, 250_000])
def test_a_large_vocabulary_costs_no_precision(vocab: int):
    """Sums of so many parts go wrong when they are added one by one in single precision."""
    values = np.random.default_rng(0).normal(scale=3, size=(2, 3, vocab)).astype(np.float32)
    values[..., 7] += 14
    p, found = probabilities(values), described(values)
    np.testing.assert_allclose(found.signals.entropy, -(p * np.log(p)).sum(-1), rtol=3e-6)
    np.testing.assert_allclose(found.kl, (p[:, -1:] * (np.log(p[:, -1:]) - np.log(p))).sum(-1), rtol=3e-6, atol=3e-6)


@given(logits())
def test_margin_is_between_the_two_largest(values: np.ndarray):
    ordered = np.sort(values, axis=-1)
    expected = ordered[..., -1] - ordered[..., -2] if values.shape[-1] > 1 else np.zeros(values.shape[:2])
    assert described(values).layer_margin.tolist() == expected.tolist()


@given(logits(), st.data())
def test_overlap_is_the_share_of_common_tokens(values: np.ndarray, data: st.DataObject):
    # Without ties, so that the most likely are certain.
    distinct = values + np.linspace(0, 0.5, values.shape[-1], dtype=np.float32)
    top_k = data.draw(st.integers(1, values.shape[-1]))
    best = np.argsort(-distinct, axis=-1)[..., :top_k]
    expected = [[len(set(layer) & set(token[-1])) / top_k for layer in token] for token in best]
    np.testing.assert_allclose(described(distinct, top_k).similarity_topk, expected)


def test_all_tokens_of_the_vocabulary_are_common_to_all():
    assert (described(np.random.default_rng(0).normal(size=(2, 3, 9)).astype(np.float32), 9).similarity_topk == 1).all()


def test_a_certain_and_an_even_distribution():
    values = np.array([[[0, 0, 0, 0], [1000, 0, 0, 0]]], dtype=np.float32)
    found = described(values)
    assert found.signals.entropy[0].tolist() == pytest.approx([math.log(4), 0], abs=1e-6)
    assert found.kl[0].tolist() == pytest.approx([math.log(4), 0], abs=1e-6)
    assert found.layer_margin[0].tolist() == [0, 1000]


def test_what_the_last_layer_excludes_costs_nothing_and_what_it_is_sure_of_costs_much():
    values = np.array([[[0, 1000], [1000, 0]]], dtype=np.float32)
    assert described(values).kl[0].tolist() == [1000, 0]
