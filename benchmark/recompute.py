"""Everything right of the trace once more, from stored tokens, without a model."""

from collections.abc import Iterator
from pathlib import Path

from benchmark.errors import InputError
from benchmark.experiments import EXPERIMENTS, Choices
from benchmark.results import Store, read_row, read_tokens
from benchmark.row import Row


def recompute(folder: Path) -> Iterator[Path]:
    """Compute every experiment of every row below a folder again; yields the files as they are rewritten.

    Rows that failed stay as they are.

    Raises:
        InputError: there are no rows, or a row's tokens are missing, damaged or others; names the file.
    """
    rows = [(path, row) for path in sorted(folder.rglob("*.json")) if (row := read_row(path)) is not None]
    if not rows:
        raise InputError(f"{folder}: there are no rows of this version here; name a results folder")
    store = Store(folder)
    for path, row in rows:
        if row.status == "ok":
            trace, choices = read_tokens(path, row), Choices.of_row(row)
            columns = row.model_dump()
            for experiment in EXPERIMENTS.values():
                columns |= experiment(trace, choices)
            store.write(path, Row(**columns | {"experiments": sorted(EXPERIMENTS)}))
            yield path
    store.write_table()
