"""Halves of layers: is the token there already behind the attention, before the MLP?"""

from benchmark.cases.case import Case
from benchmark.metrics.experiments.halves import HALVES


def test_halves(case: Case) -> None:
    """Exits also between the two halves of each layer, where it has two; more exits never make the first one later."""
    columns = case.columns(HALVES)
    if columns.half_skip_ratio is not None and columns.half_skip_ratio_layers is not None:
        assert columns.half_skip_ratio >= columns.half_skip_ratio_layers
