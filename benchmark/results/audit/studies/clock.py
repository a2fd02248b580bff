"""What seconds and replayed texts cannot be like, held against what their row says of them."""

from collections.abc import Iterator

import numpy as np

from benchmark.errors import InputError
from benchmark.inputs.settings import ClockSettings, GatedSettings
from benchmark.results.audit.fault import Fault, told
from benchmark.results.audit.origins import taken_of
from benchmark.results.row import Row
from benchmark.trace.timed import ALWAYS, Timed, Timing

_WITH_ALL_STEPS = (*ALWAYS, "replay_alone", "deferred_full", "deferred_oracle")


def impossible_clock(row: Row, timed: Timed) -> list[Fault]:
    """Return what is wrong with the record of a row of the study of the clock.

    Args:
        row: of a case that went well.
        timed: its record.
    """
    if timed.num_tokens == 0:
        return [Fault("tokens", "no token was timed")]
    if wrong := [*_settings(row), *_tokens(row, timed)]:
        return wrong
    return [*_ways(row, timed), *_counts(row, timed), *_waiting(row, timed), *_drafts(row, timed)]


def _settings(row: Row) -> Iterator[Fault]:
    """What was asked for and cannot be."""
    try:
        gate = None
        if row.gate is not None:
            gate = GatedSettings(
                row.gate,
                row.threshold_asked,
                row.target_asked,
                row.policy or "",  # type: ignore[arg-type]
                row.check_every or 0,
                row.min_exit_layer or 0,
            )
        ClockSettings(row.batch_size_asked or 0, row.rounds_asked or 0, gate, row.max_pending or 0)
    except InputError as error:
        column, _, reason = str(error).partition(": ")
        yield Fault(column, reason)
    if row.batch_size is not None and row.batch_size > (row.batch_size_asked or 0):
        yield Fault("batch_size", f"is {row.batch_size}, and at most {row.batch_size_asked} were asked for")


def _tokens(row: Row, timed: Timed) -> Iterator[Fault]:
    """What is wrong with the order of the tokens, or with what they are."""
    prompt = timed.prompt.astype(np.int64)
    new = np.append(True, np.diff(prompt) != 0)
    place = np.arange(len(new)) - np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))
    if (np.diff(prompt) < 0).any() or prompt[0] < 0 or prompt[-1] >= taken_of(row):
        yield Fault("prompt", f"the tokens are not in the order of the prompts 0 to {taken_of(row) - 1}")
    elif (timed.position != place + 1).any():
        yield Fault("position", "the positions of a text's tokens do not count up from 1")
    elif len(np.unique(prompt * (timed.group.max() + 1) + timed.group)) != new.sum():
        yield Fault("group", "a text is in two batches")
    if timed.num_layers != row.num_layers:
        yield Fault("num_layers", f"is {told(row.num_layers)}, but the record has {timed.num_layers}")
    if timed.exit_layer.min() < 1 or timed.exit_layer.max() > timed.num_layers:
        yield Fault("exit_layer", "is not a layer of the model")
    if timed.token.min() < 0 or timed.token.max() >= (row.vocab_size or 0):
        yield Fault("token", "is not a token of the vocabulary")
    if timed.position.max() >= (row.max_new_tokens or 0):
        yield Fault("max_new_tokens", f"is {row.max_new_tokens}, but a text has {timed.position.max() + 1} tokens")
    if row.dtype == "float32" and not timed.replayed.all():
        yield Fault("replayed", "a replay in float32 gives the tokens of the text, and has not")
    groups = np.unique(timed.group)
    if groups.tolist() != list(range(len(groups))):
        yield Fault("group", "the batches do not count up from 0")


def _ways(row: Row, timed: Timed) -> Iterator[Fault]:
    """What is wrong with the ways that were timed, their rounds and their steps."""
    named = [timing.way for timing in timed.clocked.timings]
    alone, late = "replay_alone" in named, "deferred_full" in named
    if alone and row.batch_size_asked == 1:
        yield Fault("replay_speedup_alone", "one text has nobody to leave before")
    if alone == (row.alone_missing is not None) and row.batch_size_asked != 1:
        yield Fault("alone_missing", "is there where texts were not timed leaving alone, and nowhere else")
    if late != ("deferred_oracle" in named) or ("deferred_gate" in named and not late):
        yield Fault("deferred_speedup", "deferred decoding is timed with all layers, with known exits, then by a gate")
    if (late or timed.clocked.drafted) and row.batch_size_asked != 1:
        yield Fault("batch_size_asked", "deferred decoding and self-speculation are timed at batch 1")
    steps = [int(timed.position[timed.group == group].max()) for group in range(int(timed.group.max()) + 1)]
    for timing in timed.clocked.timings:
        yield from _timing(row, timing, steps)


def _timing(row: Row, timing: Timing, steps: list[int]) -> Iterator[Fault]:
    if len(timing.seconds) != row.rounds_asked:
        yield Fault("rounds_asked", f"is {row.rounds_asked}, but {timing.way} has {len(timing.seconds)} rounds")
    if timing.groups[-1] >= len(steps) or (timing.way in ALWAYS and len(timing.groups) != len(steps)):
        yield Fault("group", f"{timing.way} is timed on other batches than there are")
    elif timing.way in _WITH_ALL_STEPS and [steps[group] for group in timing.groups] != list(timing.steps):
        yield Fault("group", f"the steps of {timing.way} are not those of the texts")
    elif max(timing.steps) >= (row.max_new_tokens or 0):
        yield Fault("max_new_tokens", f"is {row.max_new_tokens}, but {timing.way} took {max(timing.steps)} steps")


def _counts(row: Row, timed: Timed) -> Iterator[Fault]:
    sizes = np.bincount(timed.group[np.append(True, np.diff(timed.prompt) != 0)])
    found = {"tokens": timed.num_tokens, "prompts": len(np.unique(timed.prompt)), "batch_size": int(sizes.max())}
    for column, value in found.items():
        if getattr(row, column) != value:
            yield Fault(column, f"is {told(getattr(row, column))}, but the record has {value}")


def _waiting(row: Row, timed: Timed) -> Iterator[Fault]:
    """What is wrong with the tokens that waited in deferred decoding with a gate."""
    gated, late = timed.clocked.of("deferred_gate"), timed.clocked.late
    if (gated is None) != (late is None):
        yield Fault("deferred_pending", "is there where a gate was timed, and nowhere else")
    elif gated is not None and late is not None:
        steps = sum(gated.steps)
        if sum(late.pending) != steps or late.pending[-1] == 0:
            yield Fault("deferred_pending", "does not count each step of the gate once")
        if len(late.pending) > (row.max_pending or 0) + 1:
            yield Fault("max_pending", f"is {row.max_pending}, and {len(late.pending) - 1} tokens waited")
        if len(late.exits) != timed.num_layers or sum(late.exits) != steps:
            yield Fault("deferred_exit_layer_mean", "does not count each token of the gate once")
        if late.same > steps:
            yield Fault("deferred_same_until", "more tokens are the full model's than there are")
    if gated is not None and row.gate is None:
        yield Fault("gate", "is missing, and one was timed")
    if (gated is not None) != (row.threshold is not None):
        yield Fault("threshold", "is there where a gate was timed, and nowhere else")


def _drafts(row: Row, timed: Timed) -> Iterator[Fault]:
    drafted = timed.clocked.drafted
    for one in drafted:
        if not 1 <= one.exit_layer < timed.num_layers or one.draft_length < 1:
            yield Fault("drafted_exit_layers", "drafts come from the layers below the last")
        if not one.tokens / (one.draft_length + 1) <= one.rounds <= one.tokens:
            yield Fault("drafted_rounds", "a round gives one token at least, and γ + 1 at most")
        if len(one.seconds) != row.rounds_asked:
            yield Fault("rounds_asked", f"is {row.rounds_asked}, but self-speculation has {len(one.seconds)} rounds")
    if bool(drafted) == (row.drafted_missing is not None) and row.batch_size_asked == 1:
        yield Fault("drafted_missing", "is there where self-speculation was not timed, and nowhere else")
