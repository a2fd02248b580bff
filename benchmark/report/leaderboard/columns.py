"""The columns of the page's two tables, in their order, as the static tables and the page's program both show them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from benchmark.report.board.means import WITH_INTERVAL
from benchmark.results.row import DECLARED, Row

TITLED = {name: column for name, column in DECLARED.items() if column.mean is not None and column.title}
"""Declared columns that have a mean over workloads and a title."""
_FIRST = ("skip_ratio_chance", "speedup_bound_kv", "gate_speed_99", "speedup_speculation", "eas")
"""What stands beside the skip ratio before anybody asks for more."""


@dataclass(frozen=True)
class Shown:
    """A column of a table."""

    name: str
    """Where its value is in a record."""
    title: str
    help: str
    kind: Literal["number", "text", "size", "rank", "model", "dot", "file"] = "number"
    """How it is written."""
    digits: int = 0
    interval: bool = False
    """Whether the record has `_ci_low` and `_ci_high` beside it."""
    key: bool = False
    """Whether it is shown before anybody asks for more."""


def model_columns() -> list[Shown]:
    """Return the columns of the table of models."""
    return [
        Shown(
            "rank_skip_ratio",
            "rank",
            "Rank by skip ratio over all workloads of the ranking, among decoders, encoder–decoders or encoders; a "
            "range where the 95 % intervals of models overlap.",
            "rank",
            key=True,
        ),
        Shown("line", "model", "Name of the model, and what tells it from its other lines.", "model", key=True),
        _declared("skip_ratio", kind="dot", key=True),
        *(_declared(name, key=True) for name in _FIRST),
        *(_declared(name) for name in TITLED if name not in ("skip_ratio", *_FIRST)),
        Shown("rank_eas", "# EAS", "Rank by EAS, likewise.", "rank"),
        Shown("eas_relative", "EAS ratio", "EAS over that of the reference model, on the workloads of both.", digits=2),
        Shown("num_layers", "layers", "L, the number of layers."),
        Shown("parameters", "parameters", _help("parameters"), "size"),
        *(
            Shown(name, name.replace("_", " "), _help(name), "text")
            for name in ("family", "released", "architecture", "stage", "dtype", "stored_as", "quantization", "device")
        ),
        Shown(
            "batch_size", "batch", f"{_help('batch_size')} Of several workloads the smallest and the largest.", "text"
        ),
        Shown("workloads", "workloads", "Workloads of the ranking that were measured."),
        Shown("unranked", "no rank because", "Why the line has no rank.", "text"),
    ]


def row_columns() -> list[Shown]:
    """Return the columns of the table of models and workloads."""
    return [
        Shown("line", "model", "Name of the model, and what tells it from its other lines.", "model", key=True),
        Shown("workload", "workload", _help("workload"), "text", key=True),
        _declared("skip_ratio", kind="dot", key=True),
        *(_declared(name, key=True) for name in _FIRST),
        *(_declared(name) for name in TITLED if name not in ("skip_ratio", *_FIRST)),
        *(Shown(name, name, _help(name)) for name in ("prompts", "tokens")),
        Shown("batch_size", "batch", _help("batch_size")),
        Shown("not_counted", "not in the mean because", "Why the row does not count in the mean of its line.", "text"),
        Shown("href", "file", "The row as it was measured, JSON, with every column.", "file", key=True),
    ]


def as_data(columns: Sequence[Shown]) -> list[dict[str, Any]]:
    """Return columns in plain types."""
    return [asdict(column) for column in columns]


def written(column: Shown, record: Mapping[str, Any]) -> str:
    """Return the value of a column as people read it, without its interval; empty where it is not known."""
    value = record.get(column.name)
    if value is None:
        return ""
    if column.kind == "size":
        return billions(value)
    if column.kind == "rank":
        return ranks(*(record.get(f"{column.name}_{end}", value) for end in ("best", "worst")))
    return f"{value:.{column.digits}f}" if isinstance(value, int | float) else str(value)


def interval(column: Shown, record: Mapping[str, Any]) -> str:
    """Return the interval of a column, such as `[0.21, 0.24]`; empty where there is none."""
    low, high = (record.get(f"{column.name}_ci_{end}") for end in ("low", "high"))
    if not column.interval or low is None or high is None:
        return ""
    return f"[{low:.{column.digits}f}, {high:.{column.digits}f}]"


def billions(parameters: float) -> str:
    """Return a number of parameters, such as `0.135 B`."""
    return f"{parameters / 1e9:.3g} B"


def ranks(best: int, worst: int) -> str:
    """Return a rank or a range of ranks, such as `1–3`."""
    return str(best) if worst == best else f"{best}–{worst}"


def _declared(name: str, kind: Literal["number", "dot"] = "number", key: bool = False) -> Shown:
    column = TITLED[name]
    return Shown(name, column.title, _help(name), kind, column.digits, name in WITH_INTERVAL, key)


def _help(name: str) -> str:
    return " ".join((Row.model_fields[name].description or "").split())
