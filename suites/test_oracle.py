"""The oracle study: how many layers could each token have skipped, with a perfect exit rule?"""

from pytest_benchmark.fixture import BenchmarkFixture

from benchmark.case import Case
from benchmark.columns import result_columns
from benchmark.terminal import Display


def test_oracle(case: Case, display: Display, benchmark: BenchmarkFixture) -> None:
    """Decode greedily, read out every layer of every token, and record how early the full model's token is there."""
    case.model.loaded()  # so that the time to load is not the case's
    with display.progress(case) as progress:
        measurement = benchmark.pedantic(case.decode, args=(progress,))
    trace = measurement.capture.trace
    columns = result_columns(trace, case.settings.alpha, case.settings.seed, case.model.loaded().costs)
    assert 1 <= columns["exit_layer_mean"] <= columns["exit_layer_settled_mean"] <= trace.num_layers
    row = case.record(measurement, columns)
    benchmark.extra_info.update(row.headline())
