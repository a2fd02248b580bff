"""Thresholds of one gate, tried until it is known how much may be skipped within a loss of score."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmark.errors import MeasurementError
from benchmark.inputs.settings import GateName
from benchmark.metrics.experiments.decoding.loss import LOSSES
from benchmark.results.row import Row

_CLOSE = 0.01
"""Skip ratio between the strictest threshold that costs too much and the laxest that does not: near enough."""
_MOST_RUNS = 12
"""Thresholds that are tried for one loss at most; the score need not fall as more is skipped."""
_DECADES = 4
"""A threshold within 0 and 1 is tried up to 1 − 10⁻⁴."""
_DIGITS = 6


@dataclass(frozen=True)
class Scale:
    """The thresholds of a gate, from the laxest at 0 to the strictest at 1."""

    gate: GateName
    num_layers: int
    min_exit_layer: int
    check_every: int

    def threshold(self, place: float) -> float:
        """Return the threshold at a place, as a person would write it."""
        if self.gate == "patience":
            return round(1 + place * (len(self._looks) - 1))
        if self.gate == "static":
            return self._looks[round(place * (len(self._looks) - 1))]
        return round(1 - 10 ** (-_DECADES * place), _DIGITS)

    @property
    def most(self) -> float:
        """The skip ratio of a gate that lets every token leave at its first look."""
        return 1 - self.min_exit_layer / self.num_layers

    @property
    def _looks(self) -> range:
        return range(self.min_exit_layer, self.num_layers, self.check_every)


def sweep(scale: Scale, run: Callable[[float], Row]) -> Iterator[Row]:
    """Yield the rows of the thresholds that bracket the largest skip ratio at each loss.

    The bracket is halved until its ends are close. A threshold that was run before, now or on disk, is not run again.

    Args:
        scale: the thresholds there are.
        run: returns the row of a threshold.

    Raises:
        MeasurementError: the rows have no score, so there is no loss.
    """
    rows: dict[float, Row] = {}
    for most in LOSSES.values():
        # Ends that nobody needs to run: nothing leaves, at no loss; everything leaves, at too much of it.
        strict, lax, skipped, skipped_lax = 1.0, 0.0, 0.0, scale.most
        tried: set[float] = set()
        while skipped_lax - skipped > _CLOSE and len(tried) < _MOST_RUNS:
            place = (strict + lax) / 2
            threshold = scale.threshold(place)
            if threshold in tried:
                break
            tried.add(threshold)
            if threshold not in rows:
                rows[threshold] = run(threshold)
                yield rows[threshold]
            row = rows[threshold]
            if row.score_loss is None:
                raise MeasurementError(
                    row.score_missing
                    or f"{row.workload}: there is no loss of score, because the full model's score is "
                    f"{'not known' if row.score_full is None else f'{row.score_full:g}'}; choose a workload that it "
                    "can do"
                )
            if row.score_loss <= most:
                strict, skipped = place, row.skip_ratio or 0.0
            else:
                lax, skipped_lax = place, row.skip_ratio or 0.0
