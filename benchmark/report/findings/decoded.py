"""What rows of the decoding study say over models: how much can be skipped, and where the damage comes from."""

import pandas as pd

from benchmark.metrics.experiments.decoding.loss import max_skip_ratio_at_loss
from benchmark.report.findings.estimates import Estimate, mean
from benchmark.report.tradeoff import STUDY

TABLE_1 = 0.0726
"""The largest skip ratio of Table 1 in arXiv 2603.23701, at a loss of accuracy below 5 %."""
_LOSS = 0.05
_SOURCES = {
    "missing states alone (oracle, propagate)": ("oracle", "propagate"),
    "the gate alone (recompute)": (None, "recompute"),
    "both (propagate)": (None, "propagate"),
}
"""What is varied, with the gate, None for one that can be built, and the policy."""


def decoded_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of full runs of the decoding study that went well."""
    return table[table["suite"].eq(STUDY) & table["status"].eq("ok") & ~table["limited"].astype(bool)]


def can_be_had(table: pd.DataFrame) -> Estimate:
    """Return how much more than in Table 1 can be skipped at 5 % loss: the best gate and policy, mean over models."""
    rows = decoded_rows(table)
    rows = rows[rows["score_loss"].notna() & rows["gate"].ne("oracle")]
    by_case = {
        (model, workload): max_skip_ratio_at_loss(some["skip_ratio"].tolist(), some["score_loss"].tolist(), _LOSS)
        for (model, workload), some in rows.groupby(["model", "workload"])
    }
    by_model = pd.Series(by_case, dtype=float).groupby(level=0).mean() if by_case else pd.Series(dtype=float)
    name = "mean over models of the largest skip ratio within 5 % loss of score, less the largest one published, 0.0726"
    return mean(name, "skip ratio", by_model.to_numpy() - TABLE_1)


def damage(table: pd.DataFrame) -> list[Estimate]:
    """Return what part of a text is no longer the full model's, and of the score: by the states, by the gate, by both.

    Of gates with a target, which are told of the same prompts as the oracle.
    """
    rows = decoded_rows(table)
    rows = rows[rows["target_asked"].notna() | rows["gate"].eq("oracle")]
    found = []
    for title, (gate, policy) in _SOURCES.items():
        some = rows[rows["policy"].eq(policy) & (rows["gate"].eq(gate) if gate else rows["gate"].ne("oracle"))]
        for column, unit in (("lost_text", "share of tokens"), ("score_loss", "relative loss")):
            known = some.assign(lost_text=1 - some["same_until"]).dropna(subset=[column])
            if len(known):
                levels = known.groupby(["model", "workload"])[column].mean().groupby(level=0).mean()
                what = "text behind the first difference" if column == "lost_text" else "score"
                found.append(mean(f"{what}: {title}", unit, levels.to_numpy()))
    return found
