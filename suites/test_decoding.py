"""Early exit for real: what do gates skip, and what happens to the text?"""

import numpy as np

from benchmark.cases.case import Case
from benchmark.inputs.settings import GatedSettings
from benchmark.metrics.experiments.decoding import DECODING


def test_decoding(case: Case, gated: GatedSettings) -> None:
    """The first token is the full model's; the oracle writes its whole text where deeper layers get true states."""
    columns, decoded = case.columns(DECODING), case.decoded
    texts, full = decoded.of(full=False), decoded.of(full=True)
    assert np.array_equal(texts.token[texts.position == 0], full.token[full.position == 0])
    assert columns.same_until is not None and columns.token_agreement is not None
    assert columns.same_until <= columns.token_agreement
    if gated.gate == "oracle" and gated.policy == "recompute":
        assert columns.same_text == 1
