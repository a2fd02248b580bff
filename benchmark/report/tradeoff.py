"""What early exit skips, and what it costs in answers, over the thresholds that were measured of a gate and policy."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from benchmark.metrics.experiments.decoding.loss import LOSSES, max_skip_ratio_at_loss
from benchmark.results.row import Row

DECODING_STUDY = "decoding"
_KEY = ("model", "workload", "gate", "policy", "check_every", "min_exit_layer")


def tradeoffs(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return for each model, workload, gate and policy how much may be skipped within a loss, as plain data.

    Rows with a score only; those of a target and those of a threshold count alike.
    """
    by_key: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row.suite == DECODING_STUDY and row.status == "ok" and row.score_loss is not None:
            by_key.setdefault(tuple(getattr(row, name) for name in _KEY), []).append(row)
    return [
        {
            **dict(zip(_KEY, key, strict=True)),
            "thresholds": len(some),
            "limited": any(row.limited for row in some),
            **{
                f"max_skip_ratio_at_loss {title}": max_skip_ratio_at_loss(
                    [row.skip_ratio or 0.0 for row in some], [row.score_loss or 0.0 for row in some], most
                )
                for title, most in LOSSES.items()
            },
        }
        for key, some in by_key.items()
    ]


def as_text(found: Sequence[dict[str, Any]]) -> str:
    """Return the trade-offs as one table."""
    table = pd.DataFrame(found)
    shown = table[["model", "workload", "gate", "policy", "thresholds"]].copy()
    shown["workload"] += table["limited"].map({True: "*", False: ""})
    for title in LOSSES:
        shown[f"skipped at {title} loss"] = table[f"max_skip_ratio_at_loss {title}"].map("{:.3f}".format)
    text = str(shown.to_string(index=False))
    return text + ("\n\n* limited: not the prompts of a full run" if table["limited"].any() else "")
