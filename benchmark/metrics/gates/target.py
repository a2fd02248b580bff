"""The threshold that a gate is given a target for: the most that it may skip while it keeps a share of the tokens."""

from dataclasses import dataclass

import numpy as np

from benchmark.errors import MeasurementError
from benchmark.metrics.gates.curve import curve
from benchmark.metrics.gates.gate import Gate
from benchmark.metrics.gates.seen import Seen

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Aimed:
    """A gate with its threshold: one that some tokens chose, or a given one."""

    gate: Gate
    """Fitted to these tokens, if it is of a kind that is."""
    threshold: float
    """λ, within 0 and 1."""
    agreement: float | None
    """Share of these tokens that are then the full model's; None where the threshold was given."""


def aimed(gate: Gate, seen: Seen, target: float) -> Aimed:
    """Return the threshold with which a gate skips the most and keeps a share of some tokens.

    Args:
        gate: of any kind.
        seen: the tokens, at the looks of the gate.
        target: the share, above 0.

    Raises:
        MeasurementError: no threshold keeps so many tokens and lets one of them leave.
    """
    fitted = gate.fitted(seen)
    skipped = seen.num_layers - np.append(seen.looks, seen.num_layers).astype(np.float64)
    found = curve(fitted.score(seen), seen.matches, skipped[:, None])
    agreement = found.right / len(seen.prompt)
    kept = agreement >= target - _ROUNDING
    place = int(np.where(kept, found.sums[:, 0], -np.inf).argmax())
    if not np.isfinite(found.thresholds[place]):
        closest = agreement[1:].max() if len(agreement) > 1 else None
        told = "no token ever leaves" if closest is None else f"the closest keeps {closest:.1%}"
        raise MeasurementError(
            f"gate {gate.name}: no threshold lets a token leave and keeps {target:.1%} of the calibration prompts' "
            f"tokens; {told}; ask for less"
        )
    return Aimed(fitted, float(found.thresholds[place]), float(agreement[place]))
