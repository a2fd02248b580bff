"""Tables as CSV, which spreadsheets open without running what is in them."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# What spreadsheets take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(records: Sequence[Mapping[str, Any]]) -> bytes:
    """Records of the same columns, at least one. What is not known is empty; no text is a formula to a spreadsheet."""
    return of_lines([list(records[0]), *(list(record.values()) for record in records)])


def of_lines(lines: Iterable[Iterable[Any]]) -> bytes:
    """Return lines, the first of them the heads of the columns, in the same way."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([_cell(value) for value in line] for line in lines)
    return stream.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
