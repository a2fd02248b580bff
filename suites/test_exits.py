"""Oracle exits: how many layers could each token have skipped, with a perfect exit rule?"""

from benchmark.metrics.columns import exit_columns
from benchmark.metrics.exits import first_match, settled
from benchmark.metrics.experiments import Choices, Record
from benchmark.trace.record import Trace


def test_exits(trace: Trace, choices: Choices, record: Record) -> None:
    """First match: the shallowest layer with the full model's token. Settled: from that layer on, all have it."""
    assert (first_match(trace.matches) >= 1).all()
    assert (first_match(trace.matches) <= settled(trace.matches)).all()
    assert (settled(trace.matches) <= trace.num_layers).all()
    record(exit_columns(trace, choices.seed))
