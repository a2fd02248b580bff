"""Settings that say how a trace is scored: with others, the same stored trace gives other columns, without a model."""

from dataclasses import dataclass

from benchmark.errors import InputError

ALPHA = 0.5
TAU = (*(round(0.05 * step, 2) for step in range(20)), 0.98, 0.99, 1.0)
"""Thresholds of the τ-oracle, unless asked otherwise: 0, 0.05, …, 0.95, 0.98, 0.99, 1."""
MOST_THRESHOLDS = 1000


@dataclass(frozen=True)
class Scoring:
    """What columns depend on besides the trace and the costs."""

    alpha: float = ALPHA
    """Weight of similarity against depth in EAS, in [0, 1]."""
    tau: tuple[float, ...] = TAU
    """Thresholds of the τ-oracle, each in [−1, 1]."""
    seed: int = 0
    """Of the bootstrap draws; a row has one seed, that of its capture."""

    def __post_init__(self) -> None:
        """Hold the settings against their ranges.

        Raises:
            InputError: one is outside of its range; names it.
        """
        object.__setattr__(self, "tau", tuple(float(threshold) for threshold in self.tau))
        if not 0 <= self.alpha <= 1:
            raise InputError(f"alpha: must be a number between 0 and 1, not {self.alpha!r}")
        if not 1 <= len(self.tau) <= MOST_THRESHOLDS:
            raise InputError(f"tau: must be 1 to {MOST_THRESHOLDS} thresholds, not {len(self.tau)}")
        if outside := [threshold for threshold in self.tau if not -1 <= threshold <= 1]:
            raise InputError(f"tau: must be numbers between -1 and 1, not {outside[0]!r}")
