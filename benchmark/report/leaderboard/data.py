"""What the page's program knows: the records of lines and rows as columns, lenses, and pictures for plotly.js."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.report.board.means import WITH_INTERVAL
from benchmark.report.leaderboard.columns import Shown, as_data
from benchmark.report.leaderboard.html.cards import TITLES
from benchmark.report.leaderboard.lens import Lens, lens_data
from benchmark.report.pictures.chart import Picture

_DIGITS = 6
"""More than the page shows, so that what it rounds was not rounded into the middle before."""
_OF_LINES = ("summary", "colour", "rank_skip_ratio_best", "rank_skip_ratio_worst")
_FILTERED = ("family", "architecture", "stage", "dtype", "parameters")


def page_data(
    tables: Mapping[str, tuple[Sequence[Shown], Sequence[Mapping[str, Any]]]],
    cards: Sequence[tuple[Sequence[str], str]],
    lenses: Sequence[Lens],
    pictures: Sequence[Picture],
    scale: float,
    results: str,
) -> dict[str, Any]:
    """Return everything that the program of the page shows, in plain types.

    Args:
        tables: columns and records of `lines` and of `rows`; `of` is the place of a row's line, and `counted`
            whether the row stands for it on its workload.
        cards: of each line the values of `cards.TITLES`, and the commands that measure it again.
        lenses: to be chosen from.
        pictures: to be made live.
        scale: the skip ratio at the right end of dot plots.
        results: the results folder as an address.
    """
    (line_columns, lines), (row_columns, rows) = tables["lines"], tables["rows"]
    row_of = {row["file"]: place for place, row in enumerate(rows)}
    return {
        "lines": _columns(lines, {*_names(line_columns), *_OF_LINES, *_FILTERED}),
        "rows": {**_columns(rows, {*_names(row_columns), "counted"} - {"line"}), "line": [row["of"] for row in rows]},
        "columns": {"lines": as_data(line_columns), "rows": as_data(row_columns)},
        "cards": {
            "titles": TITLES,
            "values": [_column([values[place] for values, _ in cards]) for place in range(len(TITLES))],
            "commands": _column([command for _, command in cards]),
        },
        "lenses": [lens_data(lens, row_of[Path(lens.entry.file).as_posix()]) for lens in lenses],
        "figures": {some.name: some.figure for some in pictures if some.figure},
        "csv": {some.name: some.csv.decode() for some in pictures if some.csv},
        "scale": scale,
        "results": results,
    }


def _names(columns: Sequence[Shown]) -> set[str]:
    """Return the names of columns, and of the ends of their intervals."""
    ends = {f"{column.name}_ci_{end}" for column in columns if column.name in WITH_INTERVAL for end in ("low", "high")}
    return {column.name for column in columns} | ends


def _columns(records: Sequence[Mapping[str, Any]], names: set[str]) -> dict[str, Any]:
    return {name: _column([record.get(name) for record in records]) for name in sorted(names)}


def _column(values: Sequence[Any]) -> Any:
    """Return a column: numbers shortened; of texts a list of words, and for each place which, or −1."""
    if any(isinstance(value, str) for value in values):
        words = sorted({value for value in values if value is not None})
        number = {word: place for place, word in enumerate(words)}
        return {"words": words, "at": [-1 if value is None else number[value] for value in values]}
    return [round(value, _DIGITS) if isinstance(value, float) else value for value in values]
