"""Rows held against each other: no measurement counts twice, and rows of the same weights agree on what these are."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.results.audit.fault import Fault, told
from benchmark.results.row import Row

_CASE = (
    "suite",
    "model",
    "workload",
    "capture",
    "texts_sha256",
    "prompts_sha256",
    "max_new_tokens",
    "dtype",
    "device",
    "revision",
)
_RULE = ("gate", "policy", "check_every", "min_exit_layer")
_MEASUREMENT = (*_CASE, *_RULE, "threshold_asked", "target_asked")
"""Columns that no two rows have in common; a row of another alpha or batch size is the same measurement again."""
_OF_CLOCK = ("batch_size_asked", "max_pending", "accelerator")
"""The same of the study of the clock: seconds are of a machine and of a batch."""
_WEIGHTS = ("source", "revision", "dtype", "quantization")
"""Columns that tell which weights were loaded, and in which type."""
_OF_WEIGHTS = (
    *("num_layers", "vocab_size", "parameters", "active_parameters", "layer_kind", "layer_bytes", "layer_flops"),
    *("layer_active_expert_bytes", "layer_expert_bytes"),
    *("layer_owed_bytes", "layer_owed_flops", "head_bytes", "head_flops", "embedding_bytes", "embedding_flops"),
)
"""Columns that follow from them; what a device does not show is null."""


def repeats(rows: Sequence[tuple[Path, Row]]) -> dict[Path, list[Fault]]:
    """What is wrong with rows beside others, by the file of the later one.

    Args:
        rows: of one folder that went well, in the order of their files.
    """
    faults = defaultdict(list)
    for path, fault in (*_same_tokens(rows), *_same_measurement(rows), *_other_weights(rows)):
        faults[path].append(fault)
    return faults


def _same_tokens(rows: Sequence[tuple[Path, Row]]) -> Iterator[tuple[Path, Fault]]:
    """Tokens that were measured once; two thresholds of one gate may well decide alike."""
    first: dict[str | None, tuple[Path, tuple[object, ...]]] = {}
    for path, row in rows:
        rule = tuple(getattr(row, column) for column in (*_CASE, *_RULE)) if row.suite == "decoding" else (path,)
        there, theirs = first.setdefault(row.token_records_sha256, (path, rule))
        if row.token_records_sha256 is not None and theirs != rule:
            yield path, Fault("token_records_sha256", f"has the tokens of {there} once more")


def _same_measurement(rows: Sequence[tuple[Path, Row]]) -> Iterator[tuple[Path, Fault]]:
    first: dict[tuple[object, ...], Path] = {}
    for path, row in rows:
        columns = _MEASUREMENT if row.suite != "clock" else (*_MEASUREMENT, *_OF_CLOCK)
        measurement = tuple(getattr(row, column) for column in columns)
        if measurement in first:
            yield path, Fault("", f"is the same measurement as {first[measurement]}; keep one of them")
        first.setdefault(measurement, path)


def _other_weights(rows: Sequence[tuple[Path, Row]]) -> Iterator[tuple[Path, Fault]]:
    first: dict[tuple[object, ...], tuple[Path, object]] = {}
    for path, row in rows:
        weights = tuple(getattr(row, column) for column in _WEIGHTS)
        for column in _OF_WEIGHTS:
            value = getattr(row, column)
            if value is None or None in weights[:3]:
                continue
            there, stated = first.setdefault((*weights, column), (path, value))
            if value != stated:
                yield path, Fault(column, f"is {told(value)}, but {told(stated)} in {there}, of the same weights")
