"""All rows of a folder, one after the other or as one table."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmark.metrics.column_types import is_list, is_whole
from benchmark.results.row import Row
from benchmark.results.versions import inventory


def read_rows(folder: Path) -> Iterator[Row]:
    """Yield every row of this version below a folder, in the order of the files' names."""
    for found in inventory(folder):
        if found.row is not None:
            yield found.row


def read_table(folder: Path, lists: bool = False) -> pd.DataFrame:
    """Return every row of this version below a folder as a table, one line a row.

    Args:
        folder: of results.
        lists: whether columns that are lists are there, each as a cell.
    """
    fields = Row.model_fields
    columns = [name for name, field in fields.items() if lists or not is_list(field)]
    rows = list(read_rows(folder))
    own = {name: value for row in rows for name, value in row.own_columns.items()}
    columns += [name for name, value in own.items() if lists or not isinstance(value, list)]
    table = pd.DataFrame([row.model_dump(include=set(columns)) for row in rows], columns=columns)
    # Int64 has room for what was not measured; without it one failed case would turn 20 tokens into 20.0.
    whole = [name for name in columns if name in fields and is_whole(fields[name]) and not is_list(fields[name])]
    return table.astype(dict.fromkeys(whole, "Int64"))
