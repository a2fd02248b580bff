"""Groups of tokens and their mean exits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.metrics.statistics.bins import doubling, group_means, mean


@pytest.mark.parametrize(
    ("largest", "starts"), [(0, []), (1, [1]), (3, [1, 2]), (4, [1, 2, 4]), (7, [1, 2, 4]), (8, [1, 2, 4, 8])]
)
def test_starts_double_up_to_the_largest(largest: int, starts: list[int]):
    assert doubling(largest) == starts


def test_a_group_reaches_up_to_the_next_start_and_the_last_has_no_end():
    exits, values = np.array([2, 4, 6, 8, 10]), np.array([0, 1, 2, 3, 100])
    assert group_means(exits, values, [0, 1, 3]) == ([1, 2, 2], [2, 5, 9])


def test_a_group_without_tokens_has_no_mean():
    assert group_means(np.array([5, 7]), np.array([4, 4]), [1, 2, 4]) == ([0, 0, 2], [None, None, 6])


def test_nothing_has_no_mean():
    assert mean(np.array([], bool)) is None


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 300)), min_size=1))
def test_every_token_is_in_one_group(tokens: list[tuple[int, int]]):
    exits, values = np.array(tokens).T
    counts, means = group_means(exits, values, [0, *doubling(int(values.max()))])
    assert sum(counts) == len(tokens)
    total = sum(count * value for count, value in zip(counts, means, strict=True) if value is not None)
    assert total == pytest.approx(exits.sum())
