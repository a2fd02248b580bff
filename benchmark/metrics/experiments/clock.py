"""The clock: what layers are worth in seconds on this machine, and how much of the bound arrives."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.column_types import Column, Counts, ExitLayer
from benchmark.metrics.exits import exit_share, skip_ratio
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.experiments.exits import SkipColumns
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.speculation import round_bytes
from benchmark.metrics.speedup_bounds import speedup_bound_head
from benchmark.metrics.statistics.bootstrap import ONE_PROMPT, interval_columns
from benchmark.trace.costs import Costs
from benchmark.trace.timed import ALWAYS, Clocked, Timed, Timing

Speedups = Annotated[list[float] | None, Column(low=0)]
Step = Annotated[float | None, Column(low=0, high=1e6, unit="seconds", title="s/step", digits=4)]

_LEAST_BOUND = 1.01


class ClockColumns(SkipColumns):
    """Seconds of decoding, prefill apart; of each batch of texts the median of the rounds."""

    step_seconds: Step = None
    """Seconds of a step of plain `generate`, which writes one token of every text of the batch."""
    round_spread: Annotated[float | None, Column(low=1, title="spread", digits=2)] = None
    """Seconds of the slowest round / of the fastest, of the way where they differ most: near 1 on an idle machine, and
    where it is not, the other columns say little."""
    replay_speedup: Annotated[float | None, Column(low=0, title="replay", digits=2)] = None
    """Seconds of the replay with all layers / with the oracle's exits, known in advance. Where several texts are in a
    batch, all stay until the last may leave."""
    replay_speedup_ci_low: Annotated[float | None, Column(low=0)] = None
    """Lower end of its interval, over the batches of texts."""
    replay_speedup_ci_high: Annotated[float | None, Column(low=0)] = None
    """Upper end of the same."""
    replay_speedup_rounds: Speedups = None
    """The same of each round by itself."""
    replay_overhead: Annotated[float | None, Column(low=0, title="overhead", digits=2)] = None
    """Seconds of the replay with all layers / of plain `generate`."""
    replay_bound: Annotated[float | None, Column(low=1, title="bound", digits=2)] = None
    """`speedup_bound_head` of the replayed steps: bytes of weights, a layer read once a step for all texts."""
    realised: Annotated[float | None, Column(title="realised", digits=2)] = None
    """(T_full − T_replay) / (T_full − T_full / `replay_bound`): the share of the bound that arrives in seconds; null
    where the bound is below 1.01, so that there is nothing to arrive."""
    replay_differing: Annotated[int | None, Column(low=0, high="tokens")] = None
    """Tokens that were not the text's in the replay with exits; 0 in float32."""
    replay_speedup_alone: Annotated[float | None, Column(low=0, title="alone", digits=2)] = None
    """The same where each text leaves alone and the others go on without it; null at batch 1, and where the layers
    cannot be run for some of the texts of a batch."""
    synchronization_loss: Annotated[float | None, Column(high=1)] = None
    """1 − seconds alone / seconds together: the share of the time that goes into waiting for the last text."""
    deferred_overhead: Annotated[float | None, Column(low=0, title="deferred overhead", digits=2)] = None
    """Seconds a token of deferred decoding with all layers / of plain `generate`; at batch 1 only, as all below."""
    deferred_speedup_oracle: Annotated[float | None, Column(low=0, title="deferred oracle", digits=2)] = None
    """Seconds of deferred decoding with all layers / with the oracle's exits: layers run later, not never."""
    deferred_speedup: Annotated[float | None, Column(low=0, title="deferred", digits=2)] = None
    """Seconds a token of plain `generate` / of deferred decoding with a real gate, its looks paid."""
    deferred_exit_layer_mean: ExitLayer = None
    """Mean layer that tokens left at with the gate, behind the first of each text."""
    deferred_same_until: Annotated[float | None, Column(low=0, high=1, title="same until", counted=True)] = None
    """Share of these tokens that stand before the first that is not the full model's: what the speed costs."""
    deferred_pending: Counts = None
    """How often 0, 1, 2, … tokens waited behind a step with the gate."""
    deferred_pending_mean: Annotated[float | None, Column(low=0, digits=2, counted=True)] = None
    """Tokens that waited, in the mean over its steps."""
    drafted_exit_layers: Counts = None
    """Self-speculation by transformers: exit layers E that were timed, the first with the best prediction."""
    drafted_lengths: Counts = None
    """The draft length γ of each."""
    drafted_rounds: Counts = None
    """Passes of the whole model that each took; as the trace predicts, or none is reported."""
    drafted_predicted: Speedups = None
    """Speed of each by bytes of weights, draft and check with caches of their own."""
    drafted_speedups: Speedups = None
    """Seconds of plain `generate` / of each, whole texts with their prompts."""


def clock_columns(timed: Timed, scoring: Scoring, costs: Costs | None) -> ClockColumns:
    """Return what seconds say.

    Args:
        timed: of at least one token.
        scoring: has the seed of the bootstrap draws.
        costs: what a token costs; without, there is no bound.
    """
    clocked = timed.clocked
    by_generate, by_all, by_exits = (clocked.of(way) for way in ALWAYS)
    assert by_generate is not None and by_all is not None and by_exits is not None
    plain, full, replay = (_medians(timing) for timing in (by_generate, by_all, by_exits))
    rounds = np.sum(by_all.seconds, axis=1) / np.sum(by_exits.seconds, axis=1)
    speedup = _ratio(full, replay)
    columns: dict[str, Any] = {
        **_exits(timed, scoring),
        "step_seconds": float(plain.sum() / sum(by_generate.steps)),
        "round_spread": max(_spread(timing) for timing in clocked.timings),
        "replay_speedup": speedup,
        "replay_speedup_rounds": rounds.tolist(),
        "replay_overhead": _ratio(full, plain),
        "replay_differing": int((~timed.replayed).sum()),
        **_interval(full, replay, scoring.seed),
    }
    bound = None if costs is None else _bound(timed, costs)
    columns["replay_bound"] = bound
    if bound is not None and bound >= _LEAST_BOUND:
        columns["realised"] = (1 - 1 / speedup) / (1 - 1 / bound)
    return ClockColumns(**columns, **_alone(clocked), **_deferred(timed), **_drafted(timed, costs))


def _alone(clocked: Clocked) -> dict[str, float]:
    """Return what is gained where each text leaves alone, over the batches in which that was timed."""
    alone = _per_step(clocked.of("replay_alone"))
    if alone is None:
        return {}
    full, together = (_same_groups(clocked, way, "replay_alone") for way in ("full", "replay"))
    return {"replay_speedup_alone": full / alone, "synchronization_loss": 1 - alone / together}


def _exits(timed: Timed, scoring: Scoring) -> dict[str, Any]:
    """Return where the replayed tokens leave, those behind the first of each text."""
    exits = timed.exit_layer.astype(np.int64)
    skipped = skip_ratio(exits, timed.num_layers)
    return {
        "exit_layer_mean": float(exits.mean()),
        "skip_ratio": float(skipped.mean()),
        **interval_columns("skip_ratio", skipped, timed.prompt, scoring.seed),
        "interval_missing": ONE_PROMPT if len(np.unique(timed.prompt)) == 1 else None,
        "exit_share": exit_share(exits, timed.num_layers).tolist(),
    }


def _interval(full: NDArray[np.float64], replay: NDArray[np.float64], seed: int) -> dict[str, float | None]:
    both, batch = np.stack([full, replay], axis=1), np.arange(len(full))
    return interval_columns("replay_speedup", both, batch, seed, lambda means: means[:, 0] / means[:, 1])


def _deferred(timed: Timed) -> dict[str, Any]:
    """Return the columns of deferred decoding; none where it was not timed."""
    clocked = timed.clocked
    full, oracle, gate = (_per_step(clocked.of(f"deferred_{way}")) for way in ("full", "oracle", "gate"))
    columns: dict[str, Any] = {}
    if full is not None and oracle is not None:
        columns["deferred_overhead"] = full / _same_groups(clocked, "generate", "deferred_full")
        columns["deferred_speedup_oracle"] = full / oracle
    if gate is not None and clocked.late is not None:
        waited, left = np.array(clocked.late.pending), np.array(clocked.late.exits)
        columns |= {
            "deferred_speedup": _same_groups(clocked, "generate", "deferred_gate") / gate,
            "deferred_exit_layer_mean": float(np.average(np.arange(1, len(left) + 1), weights=left)),
            "deferred_same_until": clocked.late.same / int(left.sum()),
            "deferred_pending": waited.tolist(),
            "deferred_pending_mean": float(np.average(np.arange(len(waited)), weights=waited)),
        }
    return columns


def _drafted(timed: Timed, costs: Costs | None) -> dict[str, Any]:
    """Return the columns of self-speculation; none where it was not timed."""
    drafted = timed.clocked.drafted
    if not drafted:
        return {}
    columns: dict[str, Any] = {
        "drafted_exit_layers": [one.exit_layer for one in drafted],
        "drafted_lengths": [one.draft_length for one in drafted],
        "drafted_rounds": [one.rounds for one in drafted],
        "drafted_speedups": [float(np.median(one.plain_seconds) / np.median(one.seconds)) for one in drafted],
    }
    read = None if costs is None else [round_bytes(costs, (one.draft_length,)) for one in drafted]
    if read is not None and costs is not None and None not in read:
        columns["drafted_predicted"] = [
            costs.token_bytes * one.tokens / (one.rounds * float(cost.unshared[one.exit_layer - 1, 0]))
            for one, cost in zip(drafted, read, strict=True)
            if cost is not None
        ]
    return columns


def _bound(timed: Timed, costs: Costs) -> float:
    """Return the bound of the replayed steps, each as deep as the deepest of its texts."""
    place = timed.group.astype(np.int64) * (int(timed.position.max()) + 1) + timed.position
    _, step = np.unique(place, return_inverse=True)
    deepest = np.zeros(step.max() + 1, np.int64)
    np.maximum.at(deepest, step, timed.exit_layer)
    layers = [float(layer.weight_bytes) for layer in costs.layers]
    return speedup_bound_head(deepest, layers, float(costs.embedding_bytes + costs.head_bytes))


def _medians(timing: Timing) -> NDArray[np.float64]:
    """Return the median of the rounds of each batch that was timed."""
    return np.asarray(np.median(np.array(timing.seconds, np.float64), axis=0))


def _spread(timing: Timing) -> float:
    """Return the seconds of the slowest round over those of the fastest."""
    rounds = np.sum(timing.seconds, axis=1)
    return float(rounds.max() / rounds.min())


def _per_step(timing: Timing | None) -> float | None:
    return None if timing is None else float(_medians(timing).sum() / sum(timing.steps))


def _same_groups(clocked: Clocked, way: str, other: str) -> float:
    """Return the seconds of a step in one way, over the batches that were timed in another."""
    timing, timed = clocked.of(way), clocked.of(other)
    assert timing is not None and timed is not None
    some = np.isin(timing.groups, timed.groups)
    return float(_medians(timing)[some].sum() / np.array(timing.steps)[some].sum())


def _ratio(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(one.sum() / other.sum())


CLOCK: Experiment[ClockColumns, Timed] = Experiment("clock", ClockColumns, clock_columns)
