"""Gates by hand: what each signal is, in which direction, and where there is none."""

import numpy as np
import pytest
from hypothesis import given
from strategies import trace_of, traces

from benchmark.metrics.experiments.gates import BUILDABLE
from benchmark.metrics.gates.curve import exits_at
from benchmark.metrics.gates.gate import Entropy, Margin, MaxProb, Oracle, Patience, Saturation, Static
from benchmark.metrics.gates.learned import Learned
from benchmark.metrics.gates.seen import Seen
from benchmark.trace.record import Trace

# Two tokens, four layers; the last one says 7.
TRACE = trace_of(
    [[1, 7, 7, 7], [7, 2, 2, 7]],
    max_prob=[[0.5, 0.75, 1, 1], [0.25, 0.5, 0.5, 1]],
    prob_margin=[[0.25, 0.5, 1, 1], [0, 0.25, 0.5, 1]],
    entropy=[[np.log(4), np.log(2), 0, 0], [np.log(4), 0, 0, 0]],
    similarity_previous=[[np.nan, 0.5, 0.75, 1], [np.nan, -0.5, 1, 1]],
)
SEEN = Seen.of(TRACE, 4)


def test_it_sees_the_layers_below_the_last():
    assert SEEN.looks.tolist() == [1, 2, 3]
    assert SEEN.matches.tolist() == [[False, True, True], [True, False, False]]
    some = SEEN.at(np.array([1, 3])).tokens(np.array([False, True]))
    assert (some.looks.tolist(), some.predictions.tolist(), some.prompt.tolist()) == ([1, 3], [[7, 2]], [0])


@pytest.mark.parametrize(
    ("gate", "score"),
    [
        (MaxProb(), [[0.5, 0.75, 1], [0.25, 0.5, 0.5]]),
        (Margin(), [[0.25, 0.5, 1], [0, 0.25, 0.5]]),
        (Entropy(), [[0, 0.5, 1], [0, 1, 1]]),
        (Saturation(), [[np.nan, 0.5, 0.75], [np.nan, 0, 1]]),
        (Patience(), [[1 / 3, 1 / 3, 2 / 3], [1 / 3, 1 / 3, 2 / 3]]),
        (Static(), [[0.25, 0.5, 0.75]] * 2),
        (Oracle(), [[np.nan, 1, 1], [1, np.nan, np.nan]]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_how_sure_it_is(gate, score):
    np.testing.assert_allclose(gate.score(SEEN), score, atol=1e-6)


def test_patience_counts_looks_and_not_layers():
    np.testing.assert_allclose(Patience().score(SEEN.at(np.array([2, 3]))), [[0.5, 1], [0.5, 1]])


def test_saturation_and_static_need_no_vocabulary_and_no_head_to_look():
    free = [gate.name for gate in BUILDABLE if not gate.vocabulary]
    assert free == [gate.name for gate in BUILDABLE if not gate.head] == ["saturation", "static"]


def test_names_are_parts_of_columns():
    names = [gate.name for gate in (*BUILDABLE, Oracle())]
    assert len(set(names)) == len(names) and all(name.isidentifier() and name.islower() for name in names)


@given(traces(max_tokens=12, max_layers=5))
def test_every_score_is_a_share_or_nothing(trace: Trace):
    seen = Seen.of(trace, 4)
    for gate in (*BUILDABLE, Oracle()):
        if gate.vocabulary and not trace.signalled.all():
            continue
        score = gate.fitted(seen).score(seen)
        assert score.shape == seen.matches.shape
        known = score[~np.isnan(score)]
        assert ((known >= 0) & (known <= 1)).all()
        if gate.name not in ("saturation", "oracle"):
            assert (exits_at(score, 0.0) == 0).all()
        assert (exits_at(score, 1.0001) == score.shape[1]).all()


def test_signals_that_were_not_kept_are_not_seen():
    trace = trace_of([[1, 7], [7, 7]], sampled=[True, False])
    seen = Seen.of(trace, 4)
    assert np.isnan(seen.max_prob).all() and (seen.predictions == -1).all()
    assert seen.matches.tolist() == [[False], [True]]


class TestLearned:
    """Fitted to some tokens, it tells right from wrong on others where a feature does."""

    @staticmethod
    def seen(seed: int) -> Seen:
        """Looks that are right where the margin is large, but for some noise."""
        draw = np.random.default_rng(seed)
        margin = draw.random((200, 4))
        right = margin + draw.normal(0, 0.1, margin.shape) > 0.6
        right[:, -1] = True
        return Seen.of(trace_of(np.where(right, 7, 1), prob_margin=margin), 4)

    def test_what_it_has_learned_holds_on_others(self):
        gate, others = Learned().fitted(self.seen(0)), self.seen(1)
        sure = gate.score(others) >= 0.5
        assert (sure == others.matches).mean() > 0.9

    def test_the_same_tokens_give_the_same_scores(self):
        some = self.seen(0)
        first, second = (Learned().fitted(some).score(some) for _ in range(2))
        assert first.tolist() == second.tolist()

    @pytest.mark.parametrize(("said", "expected"), [([[7, 7]], 1.0), ([[1, 7]], 0.0)])
    def test_where_there_is_nothing_to_tell_apart(self, said, expected):
        seen = Seen.of(trace_of(said * 3), 4)
        assert (Learned().fitted(seen).score(seen) == expected).all()
