"""Layer by layer: how sure is it, how far from the full model's distribution, and where does it rank the token?"""

from benchmark.metrics.columns import layer_columns
from benchmark.metrics.experiments import Record
from benchmark.trace.record import Trace


def test_layers(trace: Trace, record: Record) -> None:
    """Entropy of z_ℓ, KL(z_L ‖ z_ℓ), rank of y and margin, over the sample; the last layer ranks y first."""
    assert (trace.rank[:, -1] == 1).all()
    record(layer_columns(trace))
