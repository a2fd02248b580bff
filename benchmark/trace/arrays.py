"""The arrays of a trace: in which type each is held and stored, and of which tokens it is known."""

from typing import Any

import numpy as np

TYPES: dict[str, Any] = {
    **dict.fromkeys(("prompt", "position", "target", "word_position", "predictions", "rank"), np.int32),
    **dict.fromkeys(("given", "written"), np.int32),
    **dict.fromkeys(("matches", "sampled"), np.bool_),
    **dict.fromkeys(("similarity_logit", "similarity_logit_raw", "similarity_hidden", "similarity_topk"), np.float32),
    **dict.fromkeys(("similarity_previous", "max_prob", "prob_margin"), np.float32),
    **dict.fromkeys(("margin", "layer_margin", "entropy", "kl"), np.float32),
    "score": np.float64,
    "text": np.object_,
    "half_matches": np.int8,
}
OF_SIGNALS = ("predictions", "max_prob", "prob_margin", "entropy")
"""Arrays with a row for every token, or only for those of the sample, as was asked: what a real gate can see."""
OF_SAMPLE = ("rank", "similarity_topk", "kl", "layer_margin", "half_matches")
"""Arrays with a row for every token of the sample, not for every token."""
OF_TEXTS = ("given", "written")
"""Arrays of the tokens of texts that were there before they were read: given ones, or the model's own."""
BY_TOKEN = ("prompt", "position", "target", *OF_TEXTS, "text", "word_position", "margin", "sampled", "score")
"""Arrays of one value a token; the others have one a layer."""
