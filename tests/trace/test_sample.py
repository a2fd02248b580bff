"""The fixed random sample."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.trace.sample import Sampling

grids = st.tuples(st.integers(0, 20), st.integers(0, 20))


@given(grids, st.none() | st.integers(0, 500), st.integers(0, 2**32))
def test_as_many_as_asked_for_or_all(grid: tuple[int, int], tokens: int | None, seed: int):
    chosen = Sampling(tokens, seed=seed).choose(*grid)
    assert chosen.shape == grid
    assert chosen.sum() == (chosen.size if tokens is None else min(tokens, chosen.size))


@given(grids, st.integers(0, 2**32))
def test_the_same_seed_chooses_the_same(grid: tuple[int, int], seed: int):
    assert (Sampling(7, seed=seed).choose(*grid) == Sampling(7, seed=seed).choose(*grid)).all()


@given(grids, st.integers(0, 400))
def test_a_larger_sample_holds_the_smaller_one(grid: tuple[int, int], tokens: int):
    smaller, larger = (Sampling(count).choose(*grid) for count in (tokens, tokens + 1))
    assert not (smaller & ~larger).any()


def test_another_seed_chooses_others():
    assert (Sampling(64, seed=0).choose(16, 64) != Sampling(64, seed=1).choose(16, 64)).any()


def test_no_place_is_preferred():
    """Of 400 samples of 16 places among 64, each place is in about a hundred."""
    counts = sum(Sampling(16, seed=seed).choose(4, 16).astype(int) for seed in range(400))
    assert counts.sum() == 400 * 16
    assert np.abs(counts - 100).max() < 5 * np.sqrt(400 * 0.25 * 0.75)


@pytest.mark.parametrize("top_k", [1, 10])
def test_k_has_no_say_in_the_choice(top_k: int):
    assert (Sampling(5, top_k=top_k).choose(6, 7) == Sampling(5).choose(6, 7)).all()
