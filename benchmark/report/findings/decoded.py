"""What rows of the decoding study say over models: how much can be skipped, and where the damage comes from."""

import pandas as pd

from benchmark.metrics.experiments.decoding.loss import max_skip_ratio_at_loss
from benchmark.report.findings.estimates import Estimate, mean

TABLE_1 = 0.0726
"""The largest skip ratio of Table 1 in arXiv 2603.23701, at a loss of accuracy below 5 %."""
_LOSS = 0.05
_SOURCES = {
    "missing states alone (oracle, propagate)": ("oracle", "propagate"),
    "the gate alone (recompute)": (None, "recompute"),
    "both (propagate)": (None, "propagate"),
}
"""What is varied, with the gate, None for one that can be built, and the policy."""
_DAMAGES = {
    "lost_text": ("text behind the first difference", "share of tokens"),
    "score_loss": ("score", "relative loss"),
}
"""What is lost, by column, with its unit."""


def can_be_had(rows: pd.DataFrame) -> Estimate:
    """Return how much more than in Table 1 can be skipped at 5 % loss: the best gate and policy, mean over models.

    Args:
        rows: comparable ones of the decoding study.
    """
    known = rows[rows["score_loss"].notna() & rows["gate"].ne("oracle")]
    levels = [
        (
            model,
            lineage,
            max_skip_ratio_at_loss(some["skip_ratio"].tolist(), some["score_loss"].tolist(), _LOSS) - TABLE_1,
        )
        for (model, lineage, _), some in known.groupby(["model", "lineage", "workload"])
    ]
    name = "mean over models of the largest skip ratio within 5 % loss of score, less the largest one published, 0.0726"
    return _mean_of_models(name, "skip ratio", pd.DataFrame(levels, columns=["model", "lineage", "more"]), "more")


def damage(rows: pd.DataFrame) -> list[Estimate]:
    """Return what part of a text is no longer the full model's, and of the score: by the states, by the gate, by both.

    Of gates with a target, which are told of the same prompts as the oracle.

    Args:
        rows: comparable ones of the decoding study.
    """
    rows = rows[rows["target_asked"].notna() | rows["gate"].eq("oracle")]
    rows = rows.assign(lost_text=1 - rows["same_until"])
    found = []
    for title, (gate, policy) in _SOURCES.items():
        some = rows[rows["policy"].eq(policy) & (rows["gate"].eq(gate) if gate else rows["gate"].ne("oracle"))]
        for column, (what, unit) in _DAMAGES.items():
            known = some.dropna(subset=[column])
            if len(known):
                levels = known.groupby(["model", "lineage", "workload"])[[column]].mean().reset_index()
                found.append(_mean_of_models(f"{what}: {title}", unit, levels, column))
    return found


def _mean_of_models(name: str, unit: str, levels: pd.DataFrame, column: str) -> Estimate:
    """Return the mean over models of their means over workloads; a line of `levels` is a model on a workload."""
    models = levels.groupby(["model", "lineage"])[[column]].mean().reset_index()
    return mean(name, unit, models[column], models["lineage"])
