"""Lossless early exit: how fast would self-speculation be, for every exit layer and draft length?"""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.column_types import Column, Columns, Count, Counts
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.speculation import DRAFT_LENGTHS, Rounds, round_bytes, rounds
from benchmark.metrics.statistics.bootstrap import interval_columns
from benchmark.metrics.statistics.folds import two_folds
from benchmark.trace.costs import Costs
from benchmark.trace.record import GivenTrace, Trace


class SpeculationColumns(Columns):
    """Self-speculation (E, γ): the first E layers draft γ tokens, and the whole model checks them.

    Speeds are predictions in bytes of weights at batch 1. E and γ are chosen on one half of the prompts and judged on
    the other, both ways.
    """

    speculation_draft_lengths: Counts = None
    """Draft lengths γ that are tried."""
    speculation_tokens_per_round: Annotated[list[list[float]] | None, Column(low=1, counted=True)] = None
    """Draft lengths × L: tokens that a pass of the whole model gives, for every γ and every exit layer E."""
    speedup_speculation: Annotated[
        float | None, Column(low=0, title="lossless", headline=True, digits=2, mean="harmonic")
    ] = None
    """Bytes of plain decoding / bytes of speculation in which draft and check share one cache."""
    speedup_speculation_ci_low: Annotated[float | None, Column(low=0)] = None
    """Lower end of its interval, E and γ fixed."""
    speedup_speculation_ci_high: Annotated[float | None, Column(low=0)] = None
    """Upper end of the same."""
    speculation_exit_layer: Annotated[int | None, Column(low=1, high="num_layers", unit="layers")] = None
    """The best E, of all prompts."""
    speculation_draft_length: Count = None
    """The best γ, of all prompts."""
    speedup_speculation_unshared: Annotated[float | None, Column(low=0, digits=2, mean="harmonic")] = None
    """The same where the check computes the first layers again, as in transformers; with the best E and γ for that."""
    speculation_unshared_exit_layer: Annotated[int | None, Column(low=1, high="num_layers", unit="layers")] = None
    """Its best E, of all prompts."""
    speculation_unshared_draft_length: Count = None
    """Its best γ, of all prompts."""
    speculation_rollback: bool | None = None
    """Whether recurrent layers have to take back what a rejected draft did to their states. The speeds charge it: their
    state update is read once more in every round that rejects a draft. Keeping a copy of the states is not charged."""


def speculation_columns(trace: Trace, scoring: Scoring, costs: Costs | None) -> SpeculationColumns:
    """Return what self-speculation would give; null for an encoder, for a given text, and without costs.

    Args:
        trace: of at least one token.
        scoring: has the seed of the bootstrap draws.
        costs: what a token costs, and whether the model writes texts at all.
    """
    # What a model drafts and checks is its own text; behind a token that it would not have written there is no telling.
    if costs is None or costs.task == "masked" or isinstance(trace, GivenTrace):
        return SpeculationColumns()
    counted = rounds(trace.matches, trace.prompt, DRAFT_LENGTHS)
    columns: dict[str, Any] = {
        "speculation_draft_lengths": list(DRAFT_LENGTHS),
        "speculation_tokens_per_round": (trace.num_tokens / counted.rounds.sum(axis=0)).T.tolist(),
        "speculation_rollback": costs.recurrent,
    }
    cost = round_bytes(costs, DRAFT_LENGTHS)
    # An exit at the last layer drafts with the whole model.
    if cost is not None and trace.num_layers > 1:
        shared = counted.rounds * cost.shared + counted.rejections * cost.rollback
        unshared = counted.rounds * cost.unshared + counted.rejections * cost.rollback_unshared
        for name, read, seed in (("", shared, scoring.seed), ("_unshared", unshared, None)):
            columns |= _best(name, read[:, :-1], cost.token, counted, seed)
    return SpeculationColumns(**columns)


def _best(name: str, read: NDArray[np.float64], token: float, counted: Rounds, seed: int | None) -> dict[str, Any]:
    """Return the speed of the best exit layer and draft length.

    Args:
        name: of the kind of speculation, in its columns.
        read: texts × exit layers × draft lengths, bytes.
        token: bytes of one token without speculation.
        counted: has the texts, and the tokens of each.
        seed: of an interval, where there is to be one.
    """
    judged = _judged(read, counted)
    exit_layer, length = _least(read)
    speed = f"speedup_speculation{name}"
    columns: dict[str, Any] = {
        speed: float(token * counted.tokens.sum() / judged.sum()),
        f"speculation{name}_exit_layer": exit_layer + 1,
        f"speculation{name}_draft_length": DRAFT_LENGTHS[length],
    }
    if seed is not None:
        by_token = np.repeat(judged / counted.tokens, counted.tokens)
        prompt = np.repeat(counted.texts, counted.tokens)
        columns |= interval_columns(speed, by_token, prompt, seed, lambda means: token / means[:, 0])
    return columns


def bytes_by_token(trace: Trace, costs: Costs | None) -> NDArray[np.float64] | None:
    """Return the bytes that the speculation behind `speedup_speculation` reads for each token: of its text, the mean.

    None where that column is null.
    """
    if costs is None or costs.task == "masked" or isinstance(trace, GivenTrace) or trace.num_layers == 1:
        return None
    counted, cost = rounds(trace.matches, trace.prompt, DRAFT_LENGTHS), round_bytes(costs, DRAFT_LENGTHS)
    if cost is None:
        return None
    read = counted.rounds * cost.shared + counted.rejections * cost.rollback
    return np.repeat(_judged(read[:, :-1], counted) / counted.tokens, counted.tokens)


def _judged(read: NDArray[np.float64], counted: Rounds) -> NDArray[np.float64]:
    """Return the bytes of each text with the exit layer and the draft length that the other half of them chooses."""
    judged = np.empty(len(counted.texts))
    for chosen_by, judged_by in two_folds(counted.texts):
        exit_layer, length = _least(read[chosen_by])
        judged[judged_by] = read[judged_by, exit_layer, length]
    return judged


def _least(read: NDArray[np.float64]) -> tuple[int, int]:
    """Return the exit layer and the draft length, counted from 0, that read the least over all texts; the shallowest,
    and of these the shortest, among equals."""
    total = read.sum(axis=0)
    exit_layer, length = np.unravel_index(int(total.argmin()), total.shape)
    return int(exit_layer), int(length)


SPECULATION = Experiment("speculation", SpeculationColumns, speculation_columns)
