"""One line a token: where it could have exited."""

import pandas as pd

from benchmark.metrics.exits import first_match, settled
from benchmark.trace.record import Trace


def token_table(trace: Trace) -> pd.DataFrame:
    """Return where each token of a trace could have exited.

    Returns:
        T lines, in the order of the text: `prompt` and `position`, counted from 0; `token`, the id of what
        stands in the text; `text`, what it
        adds to the text; `exit_layer`, its first match, and `exit_layer_settled`, both in 1..L.
    """
    return pd.DataFrame(
        {
            "prompt": trace.prompt,
            "position": trace.position,
            "token": trace.token,
            "text": trace.text,
            "exit_layer": first_match(trace.matches),
            "exit_layer_settled": settled(trace.matches),
        }
    )
