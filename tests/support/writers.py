"""What other processes do to a results folder, in a module that they can import."""

import itertools
import os
from pathlib import Path

from folders import Content
from strategies import row_of

from benchmark.results.row import Row
from benchmark.results.store import Store

SHARED = ("both", "chat", "oracle", "00000000")
"""The case that all processes write."""


def write_rows(folder: Path, process: int, count: int) -> None:
    """Write rows of its own, some with tokens, and now and then the one that all write; the table twice."""
    store = Store(folder)
    for number in range(count):
        tokens = f"tokens {number} of {process}".encode()
        row = row_of(model=f"model-{process}", workload=f"text{number % 10}", configuration=f"{number:08x}")
        path = store.path(row.model, row.workload, row.suite, row.configuration)
        store.write(path, row, Content(tokens) if number % 5 == 0 else None)
        if number % 5 == 0:
            row = row_of(model=SHARED[0], configuration=SHARED[3], family=f"{process} {number}")
            store.write(store.path(*SHARED), row, Content(tokens))
        if number == count // 2:
            store.write_table()
    store.write_table()


def add_experiments(folder: Path, process: int, count: int) -> None:
    """Add experiments to the row that all write."""
    store = Store(folder)
    for number in range(count):

        def change(row: Row, name: str = f"{process}-{number}") -> Row:
            return row.model_copy(update={"experiments": [*row.experiments, name]})

        store.update(store.path(*SHARED), change)


def write_forever(folder: Path) -> None:
    """Write the same case again and again until killed; a file `started` says that it has begun."""
    store = Store(folder)
    for number in itertools.count():
        tokens = os.urandom(100_000)
        row = row_of(model=SHARED[0], configuration=SHARED[3], family=str(number))
        store.write(store.path(*SHARED), row, Content(tokens))
        (folder / "started").touch()
