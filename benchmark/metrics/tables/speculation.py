"""One line a prompt: what self-speculation would do."""

import numpy as np
import pandas as pd

from benchmark.metrics.speculation import round_bytes, rounds
from benchmark.trace.costs import Costs
from benchmark.trace.record import Trace


def speculation_table(trace: Trace, costs: Costs | None, exit_layer: int, draft_length: int) -> pd.DataFrame:
    """Return what self-speculation would do with each prompt of a trace.

    Args:
        trace: of a model that writes texts.
        costs: what a token costs; without, there are no speeds.
        exit_layer: E, in 1..L − 1.
        draft_length: γ, at least 1.

    Returns:
        `prompt`, `tokens`, `rounds`, `tokens_per_round`, `speedup` and `speedup_unshared`; speeds in bytes of weights,
        NaN where they are not known.
    """
    counted = rounds(trace.matches, trace.prompt, (draft_length,))
    taken, thrown = (part[:, exit_layer - 1, 0] for part in (counted.rounds, counted.rejections))
    cost = None if costs is None else round_bytes(costs, (draft_length,))
    columns = {
        "prompt": counted.texts,
        "tokens": counted.tokens,
        "rounds": taken,
        "tokens_per_round": counted.tokens / taken,
        "speedup": np.nan,
        "speedup_unshared": np.nan,
    }
    if cost is not None:
        plain, at = cost.token * counted.tokens, (exit_layer - 1, 0)
        columns["speedup"] = plain / (taken * cost.shared[at] + thrown * cost.rollback[at])
        columns["speedup_unshared"] = plain / (taken * cost.unshared[at] + thrown * cost.rollback_unshared[at])
    return pd.DataFrame(columns)
