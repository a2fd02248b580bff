"""Layer by layer: how sure is it, how far from the full model's distribution, and where does it rank the token?"""

from benchmark.cases.case import Case
from benchmark.metrics.experiments.layers import LAYERS


def test_layers(case: Case) -> None:
    """Entropy of z_ℓ, KL(z_L ‖ z_ℓ), rank of y and margin, over the sample; the last layer ranks y first."""
    assert (case.trace.rank[:, -1] == 1).all()
    columns = case.columns(LAYERS)
    assert columns.target_rank is None or columns.target_rank[-1] == 1
