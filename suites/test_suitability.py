"""EAS and the τ-oracle: how early do the layers approach the last one, and does that predict the token?"""

from benchmark.cases.case import Case
from benchmark.metrics.eas import eas_max
from benchmark.metrics.experiments.suitability import SUITABILITY


def test_suitability(case: Case) -> None:
    """EAS is (1/L) Σ S_ℓ^α w_ℓ^(1−α); the τ-oracle exits at the shallowest layer whose similarity is at least τ."""
    columns = case.columns(SUITABILITY)
    assert columns.eas is not None
    assert 0 <= columns.eas <= eas_max(case.scoring.alpha, case.trace.num_layers) + 1e-9
