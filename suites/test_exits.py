"""Oracle exits: how many layers could each token have skipped, with a perfect exit rule?"""

from benchmark.cases.case import Case
from benchmark.metrics.exits import first_match, settled
from benchmark.metrics.experiments.exits import EXITS


def test_exits(case: Case) -> None:
    """First match: the shallowest layer with the full model's token. Settled: from that layer on, all have it."""
    first, last = first_match(case.trace.matches), settled(case.trace.matches)
    assert (first >= 1).all()
    assert (first <= last).all()
    assert (last <= case.trace.num_layers).all()
    columns = case.columns(EXITS)
    assert columns.exit_layer_mean is not None and columns.exit_layer_settled_mean is not None
    assert 1 <= columns.exit_layer_mean <= columns.exit_layer_settled_mean <= case.trace.num_layers
