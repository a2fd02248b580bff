"""What early exits cost in answers: pairs of scores, and how often the interval holds the truth."""

import numpy as np
import pytest
from hypothesis import given
from texts import decoded_of, decodings

from benchmark.metrics.experiments.decoding.loss import loss_columns
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.statistics import bootstrap
from benchmark.trace.decoded import Decoded


def scored(pairs: list[tuple[float, float]]) -> Decoded:
    """Prompts with these scores of their two texts."""
    numbers = range(len(pairs))
    return decoded_of({n: [(1, 4)] for n in numbers}, {n: [1] for n in numbers}, dict(enumerate(pairs)))


@given(decoded=decodings(scored=True))
def test_means_of_the_same_prompts(decoded: Decoded):
    columns = loss_columns(decoded, Scoring())
    own, full = (decoded.score[decoded.last & (decoded.full == which)].tolist() for which in (False, True))
    assert columns["score"] == pytest.approx(sum(own) / len(own))
    assert columns["score_full"] == pytest.approx(sum(full) / len(full))
    assert columns["scored_prompts"] == len(own)
    if sum(full):
        assert columns["score_loss"] == pytest.approx(1 - sum(own) / sum(full))
    else:
        assert "score_loss" not in columns


def test_without_scores_there_is_nothing():
    assert loss_columns(decoded_of({0: [(1, 4)]}, {0: [1]}), Scoring()) == {}


def test_a_prompt_of_which_one_text_has_no_score_counts_for_neither():
    columns = loss_columns(scored([(1.0, 1.0), (np.nan, 1.0), (0.0, np.nan), (0.0, 1.0)]), Scoring())
    assert (columns["scored_prompts"], columns["score"], columns["score_full"]) == (2, 0.5, 1.0)
    assert columns["score_loss"] == 0.5


def test_better_answers_are_a_negative_loss():
    assert loss_columns(scored([(1.0, 1.0), (1.0, 0.0)]), Scoring())["score_loss"] == -1


def test_where_a_draw_may_have_no_right_answer_there_is_no_interval():
    columns = loss_columns(scored([(1.0, 1.0), (0.0, 0.0)]), Scoring())
    assert (columns["score_loss"], columns["score_loss_ci_low"], columns["score_loss_ci_high"]) == (0, None, None)


def test_a_pair_moves_together(monkeypatch: pytest.MonkeyPatch):
    """Where each text loses the same part, no draw of prompts loses another."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1_000)
    columns = loss_columns(scored([(0.4, 0.5), (0.8, 1.0), (0.08, 0.1)]), Scoring())
    assert columns["score_loss_ci_low"] == pytest.approx(0.2) == columns["score_loss_ci_high"]
    assert columns["score_ci_high"] - columns["score_ci_low"] > 0.1


def test_the_interval_covers_a_known_loss_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch):
    """Of 64 prompts the full model has 60 % right; early exits lose 10 % of these, and gain 5 % of the others."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1_000)
    truth = 1 - (0.6 * 0.9 + 0.4 * 0.05) / 0.6
    covered = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        full = rng.random(64) < 0.6
        own = np.where(full, rng.random(64) < 0.9, rng.random(64) < 0.05)
        pairs = list(zip(own.astype(float), full.astype(float), strict=True))
        columns = loss_columns(scored(pairs), Scoring(seed=seed))
        covered += columns["score_loss_ci_low"] <= truth <= columns["score_loss_ci_high"]
    assert 0.92 <= covered / 400 <= 0.985
