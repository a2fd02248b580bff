"""How a column is declared: once, by an annotated field of a `Columns` class with a docstring below it.

The terminal, tables, the page, JSON Schema and the audit all read the declaration.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

Bound = float | Literal["num_layers", "vocab_size"] | None
"""A number, a number that the row itself has in another column, or no bound."""
Mean = Literal["arithmetic", "harmonic", "interval"]


@dataclass(frozen=True)
class Column:
    """What a column is, besides its name, its type and its docstring."""

    low: Bound = None
    """Smallest value that it can have; of a list, that its numbers can have."""
    high: Bound = None
    """Largest value that it can have."""
    unit: str = ""
    """Such as `layers`, `bytes` or `seconds`; empty for a ratio or a text."""
    title: str = ""
    """Short heading in tables; the page shows columns that have one."""
    headline: bool = False
    """Whether every table of results shows it, in the terminal and in Markdown as well."""
    digits: int = 3
    """Digits behind the point where it is shown."""
    mean: Mean | None = None
    """How several rows of a model become one number: `harmonic` for ratios of costs, `interval` for an arithmetic mean
    with the columns `_ci_low` and `_ci_high`, None where a mean makes no sense."""
    counted: bool = False
    """Whether it is a mean of whole numbers, which another computation gives to the last digit."""


class Columns(BaseModel):
    """Base of every group of columns: plain values in declared types, no NaN, and no column that is not declared."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False, use_attribute_docstrings=True
    )


def declared(columns: type[Columns]) -> dict[str, Column]:
    """Return the declaration of every column, by name; a column without one has an empty one."""
    return {name: _declaration(field) for name, field in columns.model_fields.items()}


def is_list(field: FieldInfo) -> bool:
    """Return whether a column holds a list."""
    return any(get_origin(part) is list for part in _alternatives(field))


def is_whole(field: FieldInfo) -> bool:
    """Return whether a column holds a whole number, or a list of them."""
    parts = [part for part in _alternatives(field) if part is not type(None)]
    return parts in ([int], [list[int]])


def holds(field: FieldInfo, kind: type) -> bool:
    """Return whether a column holds a value of this very type, or none."""
    return kind in _alternatives(field)


Share = Annotated[float | None, Column(low=0, high=1)]
"""A share of something, or a ratio within 0 and 1."""
Shares = Annotated[list[float] | None, Column(low=0, high=1)]
Cosines = Annotated[list[float] | None, Column(low=-1, high=1)]
Nats = Annotated[list[float] | None, Column(low=0, unit="nats")]
Count = Annotated[int | None, Column(low=1)]
Counts = Annotated[list[int] | None, Column(low=0)]
Size = Annotated[int | None, Column(low=0, unit="bytes")]
Sizes = Annotated[list[int] | None, Column(low=0, unit="bytes")]
Operations = Annotated[int | None, Column(low=0, unit="FLOPs")]
ListOfOperations = Annotated[list[int] | None, Column(low=0, unit="FLOPs")]
ExitLayer = Annotated[float | None, Column(low=1, high="num_layers", unit="layers", digits=2, counted=True)]
ExitLayers = Annotated[list[float | None] | None, Column(low=1, high="num_layers", unit="layers", counted=True)]


def _declaration(field: FieldInfo) -> Column:
    return next((item for item in reversed(field.metadata) if isinstance(item, Column)), Column())


def _alternatives(field: FieldInfo) -> Iterator[Any]:
    """The types that a field may hold: those of a union, or its one type."""
    annotation = field.annotation
    return iter(get_args(annotation) if get_origin(annotation) not in (None, list) else (annotation,))
