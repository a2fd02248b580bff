"""Upper bounds of the speedup: layers alone, with the output head, with what skipped layers owe their cache."""

from benchmark.metrics.columns import bound_columns
from benchmark.metrics.experiments import Choices, Record
from benchmark.trace.record import Trace


def test_bounds(trace: Trace, choices: Choices, record: Record) -> None:
    """Cost of full decoding over mean cost of decoding that stops at each token's first match."""
    columns = bound_columns(trace, choices.costs)
    for unit in ("", "_flops"):
        head, kv = columns[f"speedup_bound_head{unit}"], columns[f"speedup_bound_kv{unit}"]
        assert kv is None or 1 - 1e-9 <= kv <= head + 1e-9
    record(columns)
