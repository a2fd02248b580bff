"""From a gate of the metrics, with its threshold, to a rule that decides while a model decodes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.decoding.gated.rule import Asks, Glimpses, Rule
from benchmark.metrics.gates.gate import Entropy, Gate, Margin, MaxProb, Oracle, Patience, Saturation, Static
from benchmark.metrics.gates.seen import Seen

_ASKS: dict[type[Gate], frozenset[Asks]] = {
    MaxProb: frozenset[Asks](("max_prob",)),
    Margin: frozenset[Asks](("prob_margin",)),
    Entropy: frozenset[Asks](("entropy",)),
    Patience: frozenset[Asks](("predictions",)),
    Saturation: frozenset[Asks](("similarity_previous",)),
    Static: frozenset[Asks](),
    Oracle: frozenset[Asks](),
}
"""What gates ask for; one of somebody's own asks for everything."""
_EVERYTHING = frozenset[Asks](("max_prob", "prob_margin", "entropy", "predictions", "similarity_previous"))


def rule_of(gate: Gate, threshold: float, looks: Sequence[int], num_layers: int, vocab_size: int) -> Rule:
    """Return the rule by which a token leaves at the first look where the gate's score is at least λ.

    Args:
        gate: fitted, if it is of a kind that is.
        threshold: λ.
        looks: layers at which it looks, counted from 1, ascending, below the last.
        num_layers: L.
        vocab_size: V.
    """
    places = np.array(looks, np.int64)

    def leaves(glimpses: Glimpses, look: int) -> NDArray[np.bool_]:
        texts = len(glimpses.max_prob)
        arrays: dict[str, Any] = vars(glimpses)
        nothing = np.zeros((texts, len(places)), bool)
        prompt = np.arange(texts, dtype=np.int32)
        seen = Seen(places, num_layers, vocab_size, prompt, nothing, **arrays)
        return np.asarray(gate.score(seen)[:, look] >= threshold)

    asks = _ASKS.get(type(gate), _EVERYTHING)
    return Rule(tuple(looks), leaves, asks, monotone=len(asks) == 1, oracle=isinstance(gate, Oracle))
