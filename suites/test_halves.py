"""Halves of layers: is the token there already behind the attention, before the MLP?"""

from benchmark.metrics.columns import half_columns
from benchmark.metrics.experiments import Choices, Record
from benchmark.trace.record import Trace


def test_halves(trace: Trace, choices: Choices, record: Record) -> None:
    """Exits also between the two halves of each layer, where it has two; more exits never make the first one later."""
    columns = half_columns(trace, choices.seed)
    if columns["half_skip_ratio"] is not None:
        assert columns["half_skip_ratio"] >= columns["half_skip_ratio_layers"]
    record(columns)
