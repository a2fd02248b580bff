"""The one experiment of the decoding study: where tokens left, how far the text is the full model's, what it costs."""

from benchmark.metrics.experiment import Experiment
from benchmark.metrics.experiments.decoding.exits import LeavingColumns, leaving_columns
from benchmark.metrics.experiments.decoding.fidelity import FidelityColumns, fidelity_columns
from benchmark.metrics.experiments.decoding.loss import LossColumns, loss_columns
from benchmark.metrics.scoring import Scoring
from benchmark.trace.costs import Costs
from benchmark.trace.decoded import Decoded


class DecodingColumns(LossColumns, FidelityColumns, LeavingColumns):
    """Early exit for real: its exits, its fidelity, its scores."""


def decoding_columns(decoded: Decoded, scoring: Scoring, costs: Costs | None) -> DecodingColumns:
    """Return all that a row of the decoding study says of its texts.

    Args:
        decoded: texts of at least one prompt, those with early exits and the full model's.
        scoring: has the seed of the bootstrap draws.
        costs: what a token costs; without, there is no speed.
    """
    return DecodingColumns(
        **leaving_columns(decoded, scoring, costs),
        **fidelity_columns(decoded, scoring),
        **loss_columns(decoded, scoring),
    )


DECODING: Experiment[DecodingColumns, Decoded] = Experiment("decoding", DecodingColumns, decoding_columns)
