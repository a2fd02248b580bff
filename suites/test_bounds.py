"""Upper bounds of the speedup: layers alone, with the output head, with what skipped layers owe their cache."""

from benchmark.cases.case import Case
from benchmark.metrics.experiments.bounds import BOUNDS


def test_bounds(case: Case) -> None:
    """Cost of full decoding over mean cost of decoding that stops at each token's first match."""
    columns = case.columns(BOUNDS)
    for head, kv in (
        (columns.speedup_bound_head, columns.speedup_bound_kv),
        (columns.speedup_bound_head_flops, columns.speedup_bound_kv_flops),
    ):
        assert kv is None or (head is not None and 1 - 1e-9 <= kv <= head + 1e-9)
