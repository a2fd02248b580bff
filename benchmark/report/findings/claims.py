"""What published work claims about early exit, held against the rows of a results folder.

Every claim becomes one number over models with its interval. The rule is simple and fixed: an interval wholly on the
claimed side of zero supports the claim, one wholly on the other side contradicts it, and anything else is not enough
data.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from benchmark.errors import InputError
from benchmark.report.findings.comparable_rows import comparable, read
from benchmark.report.findings.comparisons import (
    HAD,
    MEASURES,
    TUNED,
    above_chance,
    base_and_tuned,
    comparisons,
    correlation,
    exits_found,
    larger,
    means,
    predictions,
    table_of_models,
    training,
    trends,
)
from benchmark.report.findings.decoded import can_be_had, damage
from benchmark.report.findings.estimates import Estimate
from benchmark.report.findings.levels import prompt_depths
from benchmark.report.findings.variance import variance_shares
from benchmark.report.tradeoff import DECODING_STUDY

Verdict = Literal["supported", "contradicted", "not enough data"]

DIMINISHING = "arXiv 2603.23701"
NATURAL = "arXiv 2412.01455"
SIZES = "Size"
"""Under which `Findings.estimates` has what size has to do with it."""


@dataclass(frozen=True)
class Finding:
    """A published claim and what the rows say of it."""

    claim: str
    """One sentence."""
    source: str
    """Where it was published."""
    side: Literal[1, -1]
    """Sign that the number has if the claim is true."""
    estimate: Estimate
    """The number."""

    @property
    def verdict(self) -> Verdict:
        """By where the interval lies."""
        low, high = self.estimate.low, self.estimate.high
        if low is None or high is None or low <= 0 <= high:
            return "not enough data"
        return "supported" if (low > 0) == (self.side > 0) else "contradicted"

    @property
    def reason(self) -> str | None:
        """Why there is not enough data."""
        if self.verdict != "not enough data":
            return None
        return self.estimate.missing or "the interval includes zero"


@dataclass(frozen=True)
class Reference:
    """A published number of one model, to stand beside the one measured here."""

    what: str
    source: str
    published: float
    here: float | None
    """Null when the model was not measured."""


@dataclass(frozen=True)
class Findings:
    """All there is to say about a results folder."""

    folder: str
    rows: int
    """Rows that were compared, one a (model, workload)."""
    models: int
    workloads: int
    dtypes: dict[str, int]
    """Number of models measured in each."""
    left_out: dict[str, int]
    """Rows that were not compared, by reason."""
    notes: list[str]
    findings: list[Finding]
    estimates: dict[str, list[Estimate]]
    """Further numbers, by the question they belong to."""
    references: list[Reference]
    compared: pd.DataFrame = field(compare=False, repr=False)
    """The models that are compared, one a row: those that were not trained to exit early, of `table_of_models`."""


def findings(folder: Path) -> Findings:
    """Hold the claims against the rows below a folder.

    Raises:
        InputError: there is no such folder, no row in it, or none that may be compared.
    """
    table, others = read(folder)
    found = findings_of(table, str(folder))
    return found if others is None else replace(found, notes=[others, *found.notes])


def findings_of(table: pd.DataFrame, folder: str) -> Findings:
    """Hold the claims against rows that are read already. Their tokens are read.

    Args:
        table: from `comparable.table_of`.
        folder: what to call them.

    Raises:
        InputError: none of the rows may be compared.
    """
    found, decoded = comparable(table[table["suite"].ne(DECODING_STUDY)]), comparable(table, DECODING_STUDY).rows
    rows = found.rows
    if rows.empty:
        reasons = "; ".join(f"{count} {reason}" for reason, count in found.left_out.items()) or "all of another study"
        raise InputError(f"{folder}: none of its rows can be compared: {reasons}; measure without --limit")
    models = table_of_models(rows)
    natural = _natural(models)
    depths, without_trace = prompt_depths(rows)
    shares, negative = variance_shares(depths, models["lineage"])
    by_measure = {measure: comparisons(natural, rows, measure) for measure in MEASURES}
    generations, experts, recurrent, size, tuned = by_measure["skip_ratio"]
    predicted = predictions(rows, models)
    had = next(estimate for estimate in predicted if estimate.name.startswith(f"EAS and {HAD[0]}, over models"))
    return Findings(
        folder=folder,
        rows=len(rows),
        models=len(models),
        workloads=rows["workload"].nunique(),
        dtypes={str(dtype): int(count) for dtype, count in rows.groupby("dtype")["model"].nunique().items()},
        left_out=found.left_out,
        notes=[*found.notes, *_notes(rows, models, without_trace, negative)],
        findings=[
            Finding("Newer generations of a family have less to gain.", DIMINISHING, -1, generations),
            Finding("Dense models have more to gain than mixtures of experts.", DIMINISHING, 1, experts),
            Finding("Dense models have more to gain than state-space models.", DIMINISHING, 1, recurrent),
            Finding("Models above 20 B parameters have more to gain.", DIMINISHING, 1, size),
            Finding("Base models have more to gain than those tuned from them.", DIMINISHING, 1, tuned),
            Finding("Exits belong to the model, hardly to the workload.", DIMINISHING, 1, shares[-1]),
            Finding("EAS predicts the gain.", DIMINISHING, 1, predicted[0]),
            Finding("EAS predicts what can be had.", DIMINISHING, 1, had),
            Finding("Models not trained for it can exit early all the same.", NATURAL, 1, above_chance(natural)),
            Finding(
                "Without training for it, gates miss most of the oracle's exits.", NATURAL, -1, exits_found(natural)
            ),
            Finding("Real gates skip little before answers suffer.", DIMINISHING, -1, can_be_had(decoded)),
        ],
        estimates={
            "What decides the depth of exits": shares[:-1],
            "The comparisons in EAS": by_measure["eas"],
            "What EAS predicts": predicted,
            "Change a year": trends(natural),
            "What early exit does to texts": damage(decoded),
            "Means": means(natural),
            SIZES: [
                estimate
                for measure in MEASURES
                for estimate in (larger(natural, measure), correlation(natural, "parameters", measure))
            ],
            "Training": training(found.checkpoints),
        },
        references=_references(rows, models),
        compared=natural,
    )


def compared_models(table: pd.DataFrame) -> pd.DataFrame:
    """Return what `Findings.compared` is, without reading tokens; empty where nothing may be compared."""
    rows = comparable(table[table["suite"].ne(DECODING_STUDY)]).rows
    return _natural(table_of_models(rows)) if len(rows) else pd.DataFrame()


def _natural(models: pd.DataFrame) -> pd.DataFrame:
    return models[models["stage"].ne("early-exit")]


def _notes(rows: pd.DataFrame, models: pd.DataFrame, without_trace: int, negative: list[str]) -> list[str]:
    notes = []
    if without_trace:
        notes.append(f"rows whose tokens cannot be read, left out of the variance: {without_trace}")
    if negative:
        notes.append(f"negative estimates of variance, which count as 0: {', '.join(negative)}")
    if trained := sorted(models.index[models["stage"].eq("early-exit")]):
        notes.append(f"trained to exit early, in variance and correlations with EAS only: {', '.join(trained)}")
    tuned = rows.loc[rows["stage"].isin(TUNED), "model"]
    if unpaired := sorted({*tuned} - {*base_and_tuned(rows)["model"]}):
        notes.append(f"tuned, without their base model in the same dtype: {', '.join(unpaired)}")
    if undated := sorted(models.index[models["years"].isna() | models["family"].eq("")]):
        notes.append(f"without family or release date, in no generation: {', '.join(undated)}")
    return notes


# Second hand; the study's own alpha and averaging are not known, so compare the order, not the height.
_EAS_OF_THE_STUDY = {
    "meta-llama/Llama-2-7b-hf": 0.52,
    "meta-llama/Meta-Llama-3-8B": 0.46,
    "facebook/layerskip-llama3-8B": 0.54,
    "Qwen/Qwen2-7B": 0.36,
    "Qwen/Qwen3-8B": 0.51,
    "openai/gpt-oss-20b": 0.59,
}


def _references(rows: pd.DataFrame, models: pd.DataFrame) -> list[Reference]:
    def mean_of(values: pd.Series) -> float | None:
        return float(values.mean()) if values.notna().any() else None

    references = [
        Reference(f"EAS of {name}", DIMINISHING, value, mean_of(models.loc[models["source"].eq(f"hub:{name}"), "eas"]))
        for name, value in _EAS_OF_THE_STUDY.items()
    ]
    code = rows[rows["source"].eq("hub:huggyllama/llama-7b") & rows["workload"].eq("humaneval")]
    depth = Reference(
        "exit layer of huggyllama/llama-7b, one HumanEval prompt",
        "arXiv 2404.16710",
        23.45,
        mean_of(code["exit_layer_mean"]),
    )
    return [*references, depth]
