"""How far a text is the full model's: against plain loops, and what must hold whatever the texts."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from texts import decoded_of, decodings

from benchmark.metrics.experiments.decoding import DECODING, DecodingColumns
from benchmark.metrics.scoring import Scoring
from benchmark.trace.decoded import Decoded


def columns(decoded: Decoded) -> DecodingColumns:
    return DECODING.of(decoded, Scoring(), None)


def pairs_of(decoded: Decoded) -> list[tuple[list[int], list[int]]]:
    """Of each prompt the ids of its text and of the full model's."""
    return [
        tuple(decoded.token[(decoded.prompt == number) & (decoded.full == full)].tolist() for full in (False, True))
        for number in np.unique(decoded.prompt)
    ]


@given(decoded=decodings())
def test_tokens_are_compared_one_by_one(decoded: Decoded):
    row, pairs = columns(decoded), pairs_of(decoded)
    same = before = total = 0
    for text, full in pairs:
        going = True
        for place, token in enumerate(full):
            right = place < len(text) and text[place] == token
            going = going and right
            same, before, total = same + right, before + going, total + 1
    assert row.same_until == pytest.approx(before / total)
    assert row.token_agreement == pytest.approx(same / total)
    assert row.same_text == pytest.approx(sum(text == full for text, full in pairs) / len(pairs))


@given(decoded=decodings())
def test_groups_of_places_are_the_whole_once_more(decoded: Decoded):
    row = columns(decoded)
    full = decoded.of(True)
    starts = row.fidelity_positions or []
    assert starts[0] == 0 and all(later >= 2 * earlier for earlier, later in pairwise(starts))
    sizes = np.histogram(full.position, [*starts, np.inf])[0]
    for name in ("same_until", "token_agreement"):
        groups = getattr(row, f"{name}_by_position")
        assert (np.array(groups) * sizes).sum() / sizes.sum() == pytest.approx(getattr(row, name))


@given(decoded=decodings())
def test_what_stands_before_the_first_difference_agrees(decoded: Decoded):
    row = columns(decoded)
    assert row.same_text is not None and row.same_until is not None and row.token_agreement is not None
    assert row.same_until <= row.token_agreement + 1e-12
    if row.same_text == 1:
        assert (row.same_until, row.token_agreement) == (1, 1)


@given(decoded=decodings(scored=True))
def test_identical_texts_are_1_in_everything_and_lose_nothing(decoded: Decoded):
    full = decoded.of(True)
    arrays = {name: np.concatenate([getattr(full, name)] * 2) for name in vars(full) if name != "gated"}
    twice = Decoded(full.gated, **arrays | {"full": np.arange(2 * len(full.token)) >= len(full.token)})
    row = columns(twice)
    assert (row.same_text, row.same_until, row.token_agreement) == (1, 1, 1)
    assert row.chrf == pytest.approx(1)
    assert row.score == row.score_full
    assert row.score_loss in (0, None) and (row.score_loss is None) == (row.score_full == 0)
    assert row.score_loss_ci_low in (0, None)


def test_a_text_that_goes_on_where_the_full_model_s_ends_is_another_text():
    row = columns(decoded_of({3: [(1, 4), (2, 2), (3, 2)]}, {3: [1, 2]}))
    assert (row.same_text, row.same_until, row.token_agreement) == (0, 1, 1)


def test_a_text_that_ends_early_lacks_the_rest():
    row = columns(decoded_of({3: [(1, 4), (2, 2)]}, {3: [1, 2, 3, 4]}))
    assert (row.same_text, row.same_until, row.token_agreement) == (0, 0.5, 0.5)


@pytest.mark.parametrize(("answer", "expected"), [("", 1.0), (" ", 1.0), ("x", 0.0)])
def test_an_empty_answer_is_like_an_empty_one_alone(answer: str, expected: float):
    decoded = decoded_of({0: [(1, 4)]}, {0: [1]})
    assert columns(replace(decoded, answer=np.array([answer, ""], object))).chrf == expected
