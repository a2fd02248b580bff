"""A gate with its threshold: a given one, or the one that half of the prompts choose."""

from typing import Any

from benchmark.cases.studies.feeding import Fed
from benchmark.cases.studies.gated_rule import asked_looks, scaled_threshold
from benchmark.cases.studies.study import Shared
from benchmark.decoding.proven import capture_proven
from benchmark.errors import MeasurementError
from benchmark.inputs.settings import GatedSettings
from benchmark.metrics.experiments.gates import EVERY_GATE
from benchmark.metrics.gates.gate import Gate
from benchmark.metrics.gates.seen import Seen
from benchmark.metrics.gates.target import Aimed, aimed
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.sample import Sampling


def halves(every: Fed, gated: GatedSettings) -> tuple[Fed, Fed | None]:
    """Return the prompts that are decoded, and those that are not, which choose the threshold where a target is given.

    With a given threshold all are decoded. Else those of odd number are, by the oracle as well: what a gate's exits
    cost and what missing states cost are told of the same prompts.

    Raises:
        MeasurementError: a target is given, and one half is empty.
    """
    odd = [number for number in every.ids if number % 2]
    even = [number for number in every.ids if number % 2 == 0]
    if gated.threshold is not None or (gated.target is None and not odd):
        return every, None
    if gated.target is not None and not (odd and even):
        raise MeasurementError(
            "a target is chosen by half of the prompts and judged by the other half, and one is empty; take more "
            "prompts, or give a threshold"
        )
    return every.only(odd), every.only(even) if even else None


def chosen_gate(model: LoadedModel, gated: GatedSettings, calibration: Fed | None, shared: Shared) -> Aimed:
    """Return the gate with its threshold.

    Args:
        model: that is decoded.
        gated: the gate, with a threshold or a target.
        calibration: prompts that choose the threshold where a target is given.
        shared: keeps what the model writes behind them.

    Raises:
        MeasurementError: no threshold reaches the target, the gate looks nowhere, or memory ran out.
    """
    gate = EVERY_GATE[gated.gate]
    looks = asked_looks(gated, model.anatomy.num_layers)
    if calibration is not None and gated.target is not None:
        return aimed(gate, _seen(model, calibration, gate, shared).at(looks), gated.target)
    if gated.threshold is None:
        return Aimed(gate, 1.0, None)
    return Aimed(gate, scaled_threshold(gated, gate, len(looks), model.anatomy.num_layers), None)


def key_of(fed: Fed) -> tuple[Any, ...]:
    """Return what tells the texts behind some prompts from others of the same model."""
    return tuple(map(tuple, fed.prompts)), fed.limits


def _seen(model: LoadedModel, calibration: Fed, gate: Gate, shared: Shared) -> Seen:
    """Return what gates see of the full model's text behind the calibration prompts."""
    sampling = Sampling(tokens=1, top_k=1, signals="all" if gate.vocabulary else "sample")

    def seen() -> Seen:
        proven = capture_proven(model, calibration.prompts, calibration.limits, sampling)
        return Seen.of(proven.capture.trace, model.readout.vocab_size)

    return shared.once(("seen", *key_of(calibration), sampling.signals), seen)
