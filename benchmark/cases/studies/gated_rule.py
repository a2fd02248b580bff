"""From a gate of the metrics, with its threshold, to a rule that decides while a model decodes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.decoding.gated.rule import NEVER, Asks, Glimpses, Rule
from benchmark.errors import InputError, MeasurementError
from benchmark.inputs.settings import GatedSettings
from benchmark.metrics.experiments.gates import EVERY_GATE
from benchmark.metrics.gates.gate import Entropy, Gate, Margin, MaxProb, Oracle, Patience, Saturation, Static
from benchmark.metrics.gates.judged import looks_of
from benchmark.metrics.gates.seen import Seen
from benchmark.readout.loaded_model import LoadedModel

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


def asked_rule(gated: GatedSettings | None, model: LoadedModel) -> Rule:
    """Return the rule of a gate with a threshold that a person gives; without a gate, the one by which no token leaves.

    Args:
        gated: the gate, its threshold, and where it looks.
        model: that is decoded.

    Raises:
        InputError: the threshold is to be chosen by some of the prompts, or is learned.
        MeasurementError: there is no layer to look at, or the threshold is beyond what there are.
    """
    if gated is None:
        return NEVER
    if gated.target is not None:
        raise InputError(f"gate {gated.rule}: no prompts are set aside to choose a threshold; give one: 'margin=0.8'")
    layers = model.anatomy.num_layers
    looks = asked_looks(gated, layers)
    gate = EVERY_GATE[gated.gate]
    threshold = 1.0 if gated.threshold is None else scaled_threshold(gated, gate, len(looks), layers)
    return rule_of(gate, threshold, looks.tolist(), layers, model.readout.vocab_size)


def asked_looks(gated: GatedSettings, num_layers: int) -> NDArray[np.int64]:
    """Return the layers at which a gate looks, counted from 1.

    Raises:
        MeasurementError: there are none.
    """
    looks = looks_of(num_layers, gated.min_exit_layer, gated.check_every)
    if len(looks) == 0:
        raise MeasurementError(
            f"the model has {num_layers} layers, and no look below the last; begin before layer {gated.min_exit_layer}",
            "min_exit_layer",
        )
    return looks


def scaled_threshold(gated: GatedSettings, gate: Gate, looks: int, num_layers: int) -> float:
    """Return λ within 0 and 1 of a threshold that a person gives.

    Raises:
        MeasurementError: it is a number of looks, or a layer, and there are fewer.
    """
    assert gated.threshold is not None
    whole = gate.whole(looks, num_layers)
    if gated.threshold > whole:
        raise MeasurementError(
            f"gate {gated.rule}: the model has {num_layers} layers, and the gate looks at {looks} of them; ask for "
            f"{whole} at most"
        )
    return gated.threshold / whole
