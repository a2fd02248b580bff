"""Shares of models for job arrays."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.shards import Shard, in_shard
from benchmark.interface.values import shard

SIZES = st.lists(st.one_of(st.none(), st.integers(1, 10**12)), max_size=40)


def entries(sizes: list[int | None]) -> list[ModelEntry]:
    return [ModelEntry(id=f"lab/m{number}", name=f"m{number}", parameters=size) for number, size in enumerate(sizes)]


@given(SIZES, st.sampled_from([1, 2, 3, 8]))
def test_every_model_is_in_exactly_one_shard(sizes: list[int | None], of: int):
    models = entries(sizes)
    shards = [in_shard(models, Shard(number, of)) for number in range(1, of + 1)]
    assert sorted(entry.name for part in shards for entry in part) == sorted(entry.name for entry in models)
    assert all(part == [entry for entry in models if entry in part] for part in shards)


@given(SIZES, st.sampled_from([2, 3, 8]), st.randoms())
def test_the_order_of_the_file_moves_no_model(sizes: list[int | None], of: int, random):
    models = entries(sizes)
    shuffled = random.sample(models, len(models))
    for number in range(1, of + 1):
        part, other = (in_shard(order, Shard(number, of)) for order in (models, shuffled))
        assert {entry.name for entry in part} == {entry.name for entry in other}


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=40), st.sampled_from([2, 3, 8]))
def test_shards_are_balanced(sizes: list[int], of: int):
    """No more than the mean and the largest model: what such an assignment is known to hold."""
    models = entries(list(sizes))
    loads = [sum(entry.parameters or 0 for entry in in_shard(models, Shard(number, of))) for number in range(1, of + 1)]
    assert max(loads) <= sum(sizes) / of + max(sizes)


def test_a_size_that_is_not_known_counts_as_the_median():
    models = entries([100, None, 60, 40])
    assert [entry.name for entry in in_shard(models, Shard(1, 2))] == ["m0", "m3"]
    assert [entry.name for entry in in_shard(models, Shard(2, 2))] == ["m1", "m2"]


def test_what_a_person_writes():
    assert shard("3/8") == Shard(3, 8)
    assert str(Shard(3, 8)) == "3/8"


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "1", "a/b", "-1/4", "1/4/2", "1.0/4", ""])
def test_a_wrong_share_is_refused(text: str):
    with pytest.raises(argparse.ArgumentTypeError, match="must be one of so many, from 1/4 to 4/4, not "):
        shard(text)
