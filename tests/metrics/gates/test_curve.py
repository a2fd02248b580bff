"""Curves of gates against a plain double loop over thresholds and tokens."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmark.metrics.gates.curve import curve, exits_at


@st.composite
def scored(draw: st.DrawFn):
    """Scores on a coarse grid, so that ties are many, some of them NaN; whether looks are right; costs of exits."""
    tokens, looks = draw(st.integers(1, 6)), draw(st.integers(0, 5))
    score = draw(arrays(np.float64, (tokens, looks), elements=st.sampled_from([0, 0.25, 0.5, 0.75, 1.0, np.nan])))
    right = draw(arrays(np.bool_, (tokens, looks)))
    by_exit = draw(arrays(np.int64, (looks + 1, 2), elements=st.integers(0, 9))).astype(float)
    return score, right, by_exit


def leaves_at(scores: list[float], threshold: float) -> int:
    for look, score in enumerate(scores):
        if score >= threshold:
            return look
    return len(scores)


@given(scored())
def test_every_point_is_what_a_double_loop_finds(example):
    score, right, by_exit = example
    found = curve(score, right, by_exit)
    assert found.thresholds[0] == np.inf and (np.diff(found.thresholds) < 0).all()
    for number, threshold in enumerate(found.thresholds):
        exits = [leaves_at(scores, threshold) for scores in score.tolist()]
        assert exits_at(score, threshold).tolist() == exits
        kept = [look == score.shape[1] or right[token, look] for token, look in enumerate(exits)]
        assert found.right[number] == sum(kept)
        assert found.sums[number].tolist() == sum(by_exit[look] for look in exits).tolist()


@given(scored(), st.floats(0, 1.1))
def test_between_its_thresholds_nothing_changes(example, threshold: float):
    score, right, by_exit = example
    found = curve(score, right, by_exit)
    number = int((found.thresholds >= threshold).sum()) - 1
    exits = [leaves_at(scores, threshold) for scores in score.tolist()]
    assert found.sums[number].tolist() == sum(by_exit[look] for look in exits).tolist()


@given(scored())
def test_at_zero_every_token_leaves_at_its_first_look_and_above_one_none_does(example):
    score, _, _ = example
    score = np.nan_to_num(score, nan=0.0)
    assert (exits_at(score, 0.0) == 0).all()
    assert (exits_at(score, 1.0001) == score.shape[1]).all()
