"""The mean score of a case, and how far it would move with other prompts."""

import numpy as np
import pytest
from strategies import trace_of

from benchmark.metrics.experiments.answers import ANSWERS
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.statistics.bootstrap import bootstrap_interval

NAN = np.nan


def columns(prompt: list[int], score: list[float]) -> dict[str, object]:
    said = [[1, 2]] * len(prompt)
    return ANSWERS.of(trace_of(said, prompt=prompt, score=score), Scoring(seed=3), None).model_dump()


def test_each_prompt_counts_once_whatever_the_length_of_its_text():
    found = columns([0, 0, 0, 1], [NAN, NAN, 1.0, 0.0])
    assert (found["score"], found["scored_prompts"]) == (0.5, 2)


def test_prompts_without_a_score_do_not_count():
    found = columns([0, 1, 1, 2], [1.0, NAN, NAN, 0.5])
    assert (found["score"], found["scored_prompts"]) == (0.75, 2)


def test_the_interval_is_that_of_the_scores_over_prompts():
    score = [0.0, 0.25, 1.0, 1.0, 0.5]
    found = columns([0, 1, 2, 3, 4], score)
    interval = bootstrap_interval(np.array(score), np.arange(5), 3)
    assert (found["score_ci_low"], found["score_ci_high"]) == interval
    assert interval is not None and interval[0] < np.mean(score) < interval[1]


def test_one_prompt_has_no_interval():
    assert columns([0, 0], [NAN, 0.25]) == {
        "score": 0.25,
        "score_ci_low": None,
        "score_ci_high": None,
        "scored_prompts": 1,
    }


def test_without_scores_all_is_null():
    assert set(columns([0, 1], [NAN, NAN]).values()) == {None}


@pytest.mark.parametrize("score", [0.0, 1 / 3, 1.0])
def test_equal_scores_are_their_mean(score: float):
    found = columns([0, 1, 2], [score] * 3)
    assert found["score"] == pytest.approx(score, abs=1e-15)
