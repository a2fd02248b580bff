"""EAS and the τ-oracle: how early do the layers approach the last one, and does that predict the token?"""

from benchmark.metrics.columns import suitability_columns
from benchmark.metrics.eas import eas_max
from benchmark.metrics.experiments import Choices, Record
from benchmark.trace.record import Trace


def test_suitability(trace: Trace, choices: Choices, record: Record) -> None:
    """EAS is (1/L) Σ S_ℓ^α w_ℓ^(1−α); the τ-oracle exits at the shallowest layer whose similarity is at least τ."""
    columns = suitability_columns(trace, choices.alpha, choices.seed, choices.tau)
    assert 0 <= columns["eas"] <= eas_max(choices.alpha, trace.num_layers) + 1e-9
    record(columns)
