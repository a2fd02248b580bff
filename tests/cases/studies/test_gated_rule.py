"""From gates to rules: what is asked for, where it looks, and that a rule decides what the gate scores."""

import numpy as np
import pytest

from benchmark.cases.studies.gated_rule import rule_of
from benchmark.decoding.gated.rule import Glimpses
from benchmark.metrics.experiments.gates import BUILDABLE
from benchmark.metrics.gates.gate import Entropy, Gate, Margin, MaxProb, Oracle, Patience, Saturation, Static
from benchmark.metrics.gates.learned import Learned
from benchmark.metrics.gates.seen import Seen

LOOKS, LAYERS, VOCABULARY = (2, 4, 6), 8, 100
EVERYTHING = {"max_prob", "prob_margin", "entropy", "predictions", "similarity_previous"}


def glimpses(texts=50, seed=0):
    rng = np.random.default_rng(seed)
    shape = texts, len(LOOKS)
    max_prob, margin, cosine = (rng.random(shape).astype(np.float32) for _ in range(3))
    entropy = (rng.random(shape) * np.log(VOCABULARY)).astype(np.float32)
    return Glimpses(max_prob, margin, entropy, rng.integers(0, 2, shape).astype(np.int32), cosine)


def up_to(seen, look):
    """As it is while a token is being decoded: nobody has looked any deeper."""
    nothing = Glimpses.nothing(len(seen.max_prob), len(LOOKS))
    for name, array in vars(nothing).items():
        array[:, : look + 1] = getattr(seen, name)[:, : look + 1]
    return nothing


class Own(Gate):
    """Leaves when the entropy is below that of the look before."""

    name = "own"

    def signal(self, seen):
        """Return 1 where it is."""
        falls = np.zeros(seen.entropy.shape)
        falls[:, 1:] = seen.entropy[:, 1:] < seen.entropy[:, :-1]
        return falls


@pytest.mark.parametrize(
    ("gate", "asks", "monotone"),
    [
        (MaxProb(), {"max_prob"}, True),
        (Margin(), {"prob_margin"}, True),
        (Entropy(), {"entropy"}, True),
        (Patience(), {"predictions"}, True),
        (Saturation(), {"similarity_previous"}, True),
        (Static(), set(), False),
        (Oracle(), set(), False),
        (Own(), EVERYTHING, False),
        (type("Mine", (Margin,), {})(), EVERYTHING, False),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_a_rule_asks_for(gate, asks, monotone):
    rule = rule_of(gate, 0.5, LOOKS, LAYERS, VOCABULARY)
    assert (rule.looks, rule.asks, rule.monotone) == (LOOKS, asks, monotone)
    assert rule.oracle == isinstance(gate, Oracle)


def fitted(gate):
    seen = glimpses(200, seed=1)
    matches = seen.max_prob > 0.5
    everything = Seen(np.array(LOOKS), LAYERS, VOCABULARY, np.arange(200, dtype=np.int32) % 10, matches, **vars(seen))
    return gate.fitted(everything)


@pytest.mark.parametrize("gate", [*BUILDABLE, Own()], ids=lambda gate: gate.name)
@pytest.mark.parametrize("look", range(len(LOOKS)))
def test_it_decides_what_the_gate_scores_and_needs_nothing_deeper_for_it(gate, look):
    gate, seen = fitted(gate), glimpses()
    whole = Seen(
        np.array(LOOKS), LAYERS, VOCABULARY, np.arange(50, dtype=np.int32), np.zeros((50, 3), bool), **vars(seen)
    )
    scores = gate.score(whole)[:, look]
    for threshold in (0.3, 0.5, 2 / 3, float(np.nanmedian(scores)) if np.isfinite(scores).any() else 0.5):
        rule = rule_of(gate, threshold, LOOKS, LAYERS, VOCABULARY)
        assert rule.leaves(up_to(seen, look), look).tolist() == (scores >= threshold).tolist()


def test_a_learned_gate_is_one_of_those():
    assert any(isinstance(gate, Learned) for gate in BUILDABLE)


def test_nobody_leaves_at_a_look_where_there_is_nothing_to_see():
    """As saturation at the first layer."""
    rule = rule_of(Saturation(), 0.0, (1, 2), LAYERS, VOCABULARY)
    seen = Glimpses.nothing(2, 2)
    seen.similarity_previous[:, 1] = [0.5, -0.5]
    assert rule.leaves(seen, 0).tolist() == [False, False]
    assert rule.leaves(seen, 1).tolist() == [True, True]


@pytest.mark.parametrize("layer", range(1, LAYERS))
def test_static_leaves_at_the_first_look_from_its_layer_on(layer):
    looks = tuple(range(1, LAYERS))
    rule = rule_of(Static(), layer / LAYERS, looks, LAYERS, VOCABULARY)
    seen = Glimpses.nothing(1, len(looks))
    assert [rule.leaves(seen, look).item() for look in range(len(looks))] == [look >= layer for look in looks]
