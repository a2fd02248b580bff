"""Honest samples pass, whatever their size and however the exits are spread."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import row_of, trace_of

from benchmark.results.audit.traces.sample import impossible_sample
from benchmark.trace.record import Trace
from benchmark.trace.sample import Sampling

LAYERS = 6


def case(prompts: int, width: int, sample: int | None, seed: int, **arrays: Any) -> Trace:
    """Texts of different lengths, with exits that few or many tokens share."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, width + 1, prompts)
    prompt = np.repeat(np.arange(prompts), sizes)
    place = np.concatenate([np.arange(size) for size in sizes])
    sampled = Sampling(sample, seed=seed).choose(prompts, width)[prompt, place]
    exits = np.where(rng.random(len(prompt)) < rng.random(), 1, rng.integers(1, LAYERS + 1, len(prompt)))
    predictions = np.where(np.arange(1, LAYERS + 1) >= exits[:, None], 7, 9)
    return trace_of(predictions.tolist(), prompt=prompt, sampled=sampled, **arrays)


def faulty(trace: Trace, prompts: int, width: int, seed: int) -> set[str]:
    row = row_of(prompts=prompts, max_new_tokens=width, seed=seed, dtype="float32", num_layers=LAYERS, top_k=1)
    # In a made-up trace every overlap is whole, which fits K = 1 where the layer matches.
    return {fault.column for fault in impossible_sample(row, trace)} - {"similarity_topk"}


@given(
    prompts=st.integers(1, 12),
    width=st.integers(1, 20),
    sample=st.one_of(st.none(), st.integers(0, 60)),
    seed=st.integers(0, 2**31),
)
def test_what_the_seed_draws_passes(prompts: int, width: int, sample: int | None, seed: int):
    assert faulty(case(prompts, width, sample, seed), prompts, width, seed) == set()


def test_another_seed_draws_another():
    assert faulty(case(8, 16, 20, seed=1), 8, 16, seed=2) == {"sampled"}


@pytest.mark.parametrize("apart", [0.0, 0.005])
def test_margins_may_differ_by_rounding(apart: float):
    trace = case(4, 8, None, 0)
    rounded = case(4, 8, None, 0, margin=np.ones(trace.num_tokens) + apart)
    assert faulty(rounded, 4, 8, 0) == set()


def test_margins_that_lie_apart():
    trace = case(4, 8, None, 0)
    assert faulty(case(4, 8, None, 0, margin=np.full(trace.num_tokens, 0.9)), 4, 8, 0) == {"margin"}
