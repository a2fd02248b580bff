"""Real gates on the full model's own text: what do they skip, at what price, and do they find the oracle's exits?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import create_model
from pydantic.fields import FieldInfo

from benchmark.metrics.column_types import Column, Columns, Share, Shares
from benchmark.metrics.exits import agreement_at, first_match, skip_ratio
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.gates.gate import Entropy, Gate, Margin, MaxProb, Oracle, Patience, Saturation, Static
from benchmark.metrics.gates.judged import TARGETS, Choice, Trial, certify
from benchmark.metrics.gates.learned import Learned
from benchmark.metrics.gates.seen import Seen
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.statistics.bins import mean
from benchmark.metrics.statistics.bootstrap import interval_columns
from benchmark.trace.costs import Costs
from benchmark.trace.record import Trace

BUILDABLE: tuple[Gate, ...] = (MaxProb(), Margin(), Entropy(), Saturation(), Patience(), Static(), Learned())
"""The gates that can be built."""
EVERY_GATE: dict[str, Gate] = {gate.name: gate for gate in (*BUILDABLE, Oracle())}
"""Those, and the oracle, by name."""
HEADLINES = {99: 0.99, 95: 0.95}
"""Targets of the headlines, by the ending of their columns."""

Speeds = Annotated[list[float] | None, Column(low=0)]
Thresholds = Annotated[list[float | None] | None, Column(low=0, high=1)]
Layers = Annotated[list[int] | None, Column(low=1, high="num_layers", unit="layers")]


class JudgedColumns(Columns):
    """What one gate gives, at each of `gate_targets`: chosen on one half of the prompts and judged on the other."""

    skip_ratio: Shares = None
    """The largest mean skip ratio at which the target is kept, with a look at every layer."""
    agreement: Shares = None
    """Share of tokens that are then the full model's."""
    located: Shares = None
    """Share of tokens that then leave at the oracle's exit."""
    early: Shares = None
    """Share of tokens that then are another one."""
    late_layers: Annotated[list[float | None] | None, Column(low=1, high="num_layers", unit="layers")] = None
    """By how many layers the others leave after the oracle's exit, on average; null without such tokens."""
    random_agreement: Shares = None
    """The agreement that the same depths would have, shuffled over the tokens: the mean over all shuffles."""
    threshold: Thresholds = None
    """λ that all prompts choose for it; null where no token may leave."""
    speed: Speeds = None
    """The largest speed at which the target is kept, over where to begin to look and how often: bytes of the full model
    / mean bytes of the gate, looks paid."""
    speed_agreement: Shares = None
    """Share of tokens that are then the full model's."""
    speed_threshold: Thresholds = None
    """λ that all prompts choose for it."""
    min_exit_layer: Layers = None
    """The layer from which on it then looks."""
    check_every: Layers = None
    """Every how many layers it then looks."""
    certified_threshold: Share = None
    """λ that with 95 % confidence changes at most 5 % of the tokens, by Learn then Test over prompts; null where there
    is none, as of fewer than 59 prompts."""
    certified_skip_ratio: Share = None
    """Mean skip ratio at that threshold."""


class HeadlineColumns(Columns):
    """The best of the gates that can be built; which one is best is chosen on one half of the prompts as well.

    Null unless every gate could be tried: the best of some gates is not compared with the best of all.
    """

    gate_targets: Shares = None
    """Shares of the tokens that are to stay the full model's; the lists of every gate have an entry for each."""
    gates_missing: str | None = None
    """Why gates of the vocabulary have no numbers, and there is no best one."""
    gate_99: str | None = None
    """The gate that all prompts choose for speed at 99 %."""
    gate_skip_ratio_99: Annotated[float | None, Column(low=0, high=1, mean="interval")] = None
    """The largest skip ratio of a gate that is to keep 99 % of the tokens."""
    gate_skip_ratio_99_ci_low: Share = None
    """Lower end of its interval, thresholds fixed."""
    gate_skip_ratio_99_ci_high: Share = None
    """Upper end of the same."""
    gate_agreement_99: Share = None
    """Share of the tokens that it keeps."""
    gate_found_99: Share = None
    """Of the tokens that the oracle lets leave before the last layer, the share that leaves at the oracle's exit."""
    gate_speed_99: Annotated[
        float | None, Column(low=0, title="gate 99 %", headline=True, digits=2, mean="harmonic")
    ] = None
    """The largest speed of a gate that is to keep 99 % of the tokens, in bytes, looks paid."""
    gate_speed_99_ci_low: Annotated[float | None, Column(low=0)] = None
    """Lower end of its interval, thresholds fixed."""
    gate_speed_99_ci_high: Annotated[float | None, Column(low=0)] = None
    """Upper end of the same."""
    gate_speed_agreement_99: Share = None
    """Share of the tokens that it keeps."""
    gate_95: str | None = None
    """The gate that all prompts choose for speed at 95 %."""
    gate_skip_ratio_95: Annotated[float | None, Column(low=0, high=1, mean="interval")] = None
    """The largest skip ratio of a gate that is to keep 95 % of the tokens."""
    gate_skip_ratio_95_ci_low: Share = None
    """Lower end of its interval, thresholds fixed."""
    gate_skip_ratio_95_ci_high: Share = None
    """Upper end of the same."""
    gate_agreement_95: Share = None
    """Share of the tokens that it keeps."""
    gate_found_95: Share = None
    """Of the tokens that the oracle lets leave before the last layer, the share that leaves at the oracle's exit."""
    gate_speed_95: Annotated[float | None, Column(low=0, title="gate 95 %", digits=2, mean="harmonic")] = None
    """The largest speed of a gate that is to keep 95 % of the tokens, in bytes, looks paid."""
    gate_speed_95_ci_low: Annotated[float | None, Column(low=0)] = None
    """Lower end of its interval, thresholds fixed."""
    gate_speed_95_ci_high: Annotated[float | None, Column(low=0)] = None
    """Upper end of the same."""
    gate_speed_agreement_95: Share = None
    """Share of the tokens that it keeps."""


def columns_of(gates: Sequence[Gate], base: type[Columns] = Columns) -> type[Columns]:
    """Return the columns of `base` and, for each gate, those of `JudgedColumns` under its name."""
    fields: dict[str, Any] = {}
    for gate in gates:
        for name, field in JudgedColumns.model_fields.items():
            own = FieldInfo.merge_field_infos(field, description=f"Gate `{gate.name}`: {field.description}")
            fields[f"gate_{gate.name}_{name}"] = (field.annotation, own)
    return create_model("GateColumns", __base__=base, **fields)


if TYPE_CHECKING:
    GateColumns = HeadlineColumns
else:
    GateColumns = columns_of(BUILDABLE, HeadlineColumns)


def gate_experiment(gate: Gate) -> Experiment[Columns]:
    """Return the experiment of a gate of somebody's own; its suite's test is called `test_gate_<name>`."""
    own = columns_of([gate])

    def compute(trace: Trace, scoring: Scoring, costs: Costs | None) -> Columns:
        seen = Seen.of(trace, costs.vocab_size if costs else 0)
        if _blind(gate, trace, costs):
            return own()
        return own(**_judged(gate, trace, seen, costs, Trial.of([gate], seen, costs)))

    return Experiment(f"gate_{gate.name}", own, compute)


def gate_columns(trace: Trace, scoring: Scoring, costs: Costs | None) -> Columns:
    """Return what every gate gives. Those of the vocabulary are null unless the trace has the signals of all tokens.

    Args:
        trace: of at least one token.
        scoring: has the seed of the bootstrap draws.
        costs: what a token costs, and the size of the vocabulary; without, there are no speeds, and no gates that need
            that size.
    """
    seen = Seen.of(trace, costs.vocab_size if costs else 0)
    known = [gate for gate in BUILDABLE if not _blind(gate, trace, costs)]
    trial = Trial.of(known, seen, costs)
    columns: dict[str, Any] = {"gate_targets": list(TARGETS), "gates_missing": _missing(trace, costs)}
    for gate in known:
        columns |= _judged(gate, trace, seen, costs, trial)
    if costs is not None and columns["gates_missing"] is None:
        for ending, target in HEADLINES.items():
            columns |= _headline(ending, TARGETS.index(target), trace, costs, trial, scoring.seed)
    return GateColumns(**columns)


def bytes_by_token(trace: Trace, costs: Costs | None) -> dict[str, NDArray[np.float64]]:
    """Return the bytes that the gates behind `gate_speed_99` and `gate_speed_95` read for each token, by these columns.

    Nothing where they are null.
    """
    if costs is None or _missing(trace, costs) is not None:
        return {}
    trial = Trial.of(BUILDABLE, Seen.of(trace, costs.vocab_size), costs)
    names = [gate.name for gate in BUILDABLE]
    return {
        f"gate_speed_{ending}": trial.best(names, "speed", TARGETS.index(target)).read
        for ending, target in HEADLINES.items()
    }


def _blind(gate: Gate, trace: Trace, costs: Costs | None) -> bool:
    return gate.vocabulary and (costs is None or not trace.signalled.all())


def _missing(trace: Trace, costs: Costs | None) -> str | None:
    if costs is None:
        return "what a token costs is not known of this model"
    known = int(trace.signalled.sum())
    if known == trace.num_tokens:
        return None
    return f"signals were kept of {known} of {trace.num_tokens} tokens; measure with --signals all"


def _judged(gate: Gate, trace: Trace, seen: Seen, costs: Costs | None, trial: Trial) -> dict[str, Any]:
    """Return the columns of one gate."""
    oracle, layers = first_match(trace.matches), trace.num_layers
    by_layer = trace.matches.mean(axis=0)
    lists: dict[str, list[Any]] = {name: [] for name in JudgedColumns.model_fields if not name.startswith("certified")}
    on_all = trial.on_all[gate.name]
    for number in range(len(TARGETS)):
        choice, exits = on_all["skip"][number], trial.gate(gate.name, "skip", number).exits
        right = trace.matches[np.arange(len(exits)), exits - 1]
        late = right & (exits > oracle)
        lists["skip_ratio"].append(float(skip_ratio(exits, layers).mean()))
        lists["agreement"].append(agreement_at(exits, trace.matches))
        lists["located"].append(float((right & (exits == oracle)).mean()))
        lists["early"].append(float((~right).mean()))
        lists["late_layers"].append(float((exits - oracle)[late].mean()) if late.any() else None)
        lists["random_agreement"].append(float(by_layer[exits - 1].mean()))
        lists["threshold"].append(_finite(choice))
        if costs is not None:
            choice, judged = on_all["speed"][number], trial.gate(gate.name, "speed", number)
            lists["speed"].append(float(costs.token_bytes / judged.read.mean()))
            lists["speed_agreement"].append(agreement_at(judged.exits, trace.matches))
            lists["speed_threshold"].append(_finite(choice))
            lists["min_exit_layer"].append(choice.min_exit_layer)
            lists["check_every"].append(choice.check_every)
    columns: dict[str, Any] = {name: values or None for name, values in lists.items()}
    if (found := certify(gate, seen, trial)) is not None:
        threshold, judged = found
        columns["certified_threshold"] = threshold
        columns["certified_skip_ratio"] = float(skip_ratio(judged.exits, layers).mean())
    return {f"gate_{gate.name}_{name}": value for name, value in columns.items()}


def _headline(ending: int, number: int, trace: Trace, costs: Costs, trial: Trial, seed: int) -> dict[str, Any]:
    """Return the columns of the best gate at one target."""
    names, full = [gate.name for gate in BUILDABLE], costs.token_bytes
    deepest, fastest = trial.best(names, "skip", number), trial.best(names, "speed", number)
    skipped, oracle = skip_ratio(deepest.exits, trace.num_layers), first_match(trace.matches)
    skip, speed = f"gate_skip_ratio_{ending}", f"gate_speed_{ending}"
    return {
        skip: float(skipped.mean()),
        **interval_columns(skip, skipped, trace.prompt, seed),
        f"gate_agreement_{ending}": agreement_at(deepest.exits, trace.matches),
        f"gate_found_{ending}": mean((deepest.exits == oracle)[oracle < trace.num_layers]),
        f"gate_{ending}": trial.liked(names, "speed", number),
        speed: float(full / fastest.read.mean()),
        **interval_columns(speed, fastest.read, trace.prompt, seed, lambda means: full / means[:, 0]),
        f"gate_speed_agreement_{ending}": agreement_at(fastest.exits, trace.matches),
    }


def _finite(choice: Choice) -> float | None:
    return choice.threshold if np.isfinite(choice.threshold) else None


GATES: Experiment[Columns] = Experiment("gates", GateColumns, gate_columns)
