"""What a row says of itself, held against its place, its own other columns, and common sense."""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmark.inputs.settings import DEVICES
from benchmark.metrics.column_types import Bound
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.scoring import MOST_THRESHOLDS
from benchmark.results.audit.costs import impossible_costs
from benchmark.results.audit.fault import Fault, told
from benchmark.results.audit.study import of_another_study
from benchmark.results.identity import configuration_of
from benchmark.results.row import ASKED, DECLARED, Row
from benchmark.results.store import misplaced

_ROUNDING = 1e-3
_NEEDED = (
    "source",
    "revision",
    "num_layers",
    "vocab_size",
    "parameters",
    "dtype",
    "device",
    "batch_size",
    "max_new_tokens",
    "prompts",
    "prompts_left_out",
    "prompts_sha256",
    "prompt_ids_sha256",
    "tokens",
    "chat_template",
    "peak_memory_bytes",
    "token_records_sha256",
)
"""What every case that went well has, whatever its study."""
_HEX = r"[0-9a-f]"
_FORMATS = {
    "source": r"(hub|package|path):.+",
    "device": "|".join(DEVICES),
    "prompts_sha256": rf"{_HEX}{{64}}",
    "prompt_ids_sha256": rf"{_HEX}{{64}}",
    "targets_sha256": rf"{_HEX}{{64}}",
    "texts_sha256": rf"{_HEX}{{64}}",
    "harness_commit": rf"{_HEX}{{40}}",
}
"""What some texts look like."""
_REVISIONS = {
    "hub": rf"{_HEX}{{40}}",
    "package": rf"sha256:{_HEX}{{64}}",
    "path": rf"sha256:{_HEX}{{64}}|folder:{_HEX}{{16}}",
}
"""What a revision looks like, by what the source begins with."""
_NOT_MORE = {
    "active_parameters": "parameters",
    "sampled_tokens": "tokens",
    "top_k": "vocab_size",
    "batch_size": "prompts",
}
"""Columns that are at most as large as another."""
_CLOCKS_DIFFER = timedelta(days=1)
_FIRST = datetime(2024, 1, 1, tzinfo=UTC)
"""Nothing was measured before."""


def false_claims(path: Path, row: Row, experiments: Sequence[Experiment[Any]]) -> list[Fault]:
    """What is wrong with a row as it stands, its tokens and where it comes from aside.

    Args:
        path: its file.
        row: as it was read.
        experiments: that a row may have; it must have those of this package.
    """
    columns = _failed(row) if row.status == "failed" else _measured(row, experiments)
    return [*_place(path, row), *_hash(row), *_date(row), *_texts(row), *_run(row), *columns]


def _place(path: Path, row: Row) -> Iterator[Fault]:
    if (problem := misplaced(path, row.model_dump())) is not None:
        yield Fault("", problem)


def _hash(row: Row) -> Iterator[Fault]:
    if (expected := configuration_of(row.model_dump())) != row.configuration:
        yield Fault(
            "configuration", f"is {told(row.configuration)}, but what the row says was captured gives {expected}"
        )


def _date(row: Row) -> Iterator[Fault]:
    try:
        started = datetime.fromisoformat(row.started)
        late, early = started - datetime.now(UTC) > _CLOCKS_DIFFER, started < _FIRST
    except (ValueError, TypeError):
        yield Fault("started", f"is not a date with a time zone in ISO 8601: {told(row.started)}")
        return
    if late:
        yield Fault("started", f"is in the future: {row.started}")
    if early:
        yield Fault("started", f"is before anything was measured: {row.started}")


def _texts(row: Row) -> Iterator[Fault]:
    for column, value in row.model_dump().items():
        if isinstance(value, str) and not value.isprintable():
            yield Fault(column, f"has letters that cannot be printed: {told(value)}")
        elif isinstance(value, str) and column in _FORMATS and not re.fullmatch(_FORMATS[column], value):
            yield Fault(column, f"does not look like one: {told(value)}")
    kind, _, name = (row.source or "").partition(":")
    # A GGUF file of somebody's own can be had elsewhere, and is known by its content.
    form = _REVISIONS.get("package" if kind == "path" and name.lower().endswith(".gguf") else kind)
    if form is not None and row.revision is not None and not re.fullmatch(form, row.revision):
        yield Fault("revision", f"does not look like one of {told(row.source)}: {told(row.revision)}")


def _run(row: Row) -> Iterator[Fault]:
    """How it was run: in full, and by code that anybody can have."""
    if row.limited:
        yield Fault("limited", "not a full run; measure without --limit, and delete this row and its tokens")
    if row.harness_commit is None or row.harness_dirty is None:
        yield Fault("harness_commit", "nobody knows by what code it was measured; measure in a clone of the repository")
    elif row.harness_dirty:
        yield Fault("harness_dirty", "measured with changes that are not committed; commit them and measure again")
    if row.tau is not None and not 1 <= len(row.tau) <= MOST_THRESHOLDS:
        yield Fault("tau", f"has {len(row.tau)} thresholds, not 1 to {MOST_THRESHOLDS}")


def _failed(row: Row) -> Iterator[Fault]:
    if not row.error:
        yield Fault("error", "a failed case says why")
    for column, value in row.model_dump().items():
        if column not in ASKED and value not in (None, []):
            yield Fault(column, "a failed case has no numbers")


def _measured(row: Row, experiments: Sequence[Experiment[Any]]) -> Iterator[Fault]:
    if row.error is not None:
        yield Fault("error", "a case that went well has none")
    for column in _NEEDED:
        if getattr(row, column) is None:
            yield Fault(column, "is missing")
    names = {experiment.name for experiment in experiments}
    if lacking := sorted(names - set(row.experiments)):
        yield Fault("experiments", f"lacks {', '.join(lacking)}; run the same command again, which adds them")
    if unknown := sorted(set(row.experiments) - names):
        yield Fault("experiments", f"{told(unknown[0])} is not known here; name the file it is from with --suite")
    if len(set(row.experiments)) != len(row.experiments):
        yield Fault("experiments", "names one of them twice")
    yield from of_another_study(row)
    yield from _ranges(row)
    yield from impossible_costs(row)


def _ranges(row: Row) -> Iterator[Fault]:
    for column, declared in DECLARED.items():
        value = getattr(row, column)
        low, high = (_limit(row, bound) for bound in (declared.low, declared.high))
        low, high = -math.inf if low is None else low, math.inf if high is None else high
        numbers = [number for number in flat(value) if number is not None]
        outside = [
            number
            for number in numbers
            if not isinstance(number, str) and not low - _ROUNDING <= number <= high + _ROUNDING
        ]
        if outside:
            yield Fault(column, f"is {told(outside[0])}, outside of {low:g} to {high:g}")
    for smaller, larger in _NOT_MORE.items():
        if (getattr(row, smaller) or 0) > (getattr(row, larger) or math.inf):
            yield Fault(smaller, f"is larger than {larger}")


def flat(value: Any) -> Iterator[Any]:
    """Yield the plain values of a column, be it one, a list or a list of lists."""
    for part in value if isinstance(value, list) else ():
        yield from flat(part)
    if not isinstance(value, list):
        yield value


def _limit(row: Row, bound: Bound) -> float | None:
    """A bound of a column, which may be what the row has in another one."""
    return getattr(row, bound) if isinstance(bound, str) else bound
