"""Every picture of a leaderboard, in the order of the page."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.report.board.lines import Line
from benchmark.report.board.ranking import Leaderboard
from benchmark.report.csv_text import as_csv
from benchmark.report.findings.claims import SIZES, Findings, compared_models
from benchmark.report.findings.comparable_rows import table_of
from benchmark.report.findings.comparisons import GENERATIONS, SIZE
from benchmark.report.pictures.chart import Chart, Picture, looks, records
from benchmark.report.pictures.forest import forest
from benchmark.report.pictures.ladder import ladder
from benchmark.report.pictures.live import figure
from benchmark.report.pictures.models import generations, heatmap, sizes
from benchmark.report.pictures.palette import MARKS
from benchmark.report.pictures.price import price
from benchmark.report.pictures.svg import svg
from benchmark.results.row import Row
from benchmark.results.versions import examine


def pictures(
    board: Leaderboard, rows: Sequence[tuple[Path, Row]], folder: Path, found: Findings | str
) -> list[Picture]:
    """Return every picture, drawn; those for which nothing was measured say what would fill them.

    Args:
        board: the lines in their order.
        rows: every row of the folder, of all studies, with its file.
        folder: of results.
        found: what the rows say of published claims, or why they say nothing.
    """
    return [drawn(chart) for chart in charts(board, rows, folder, found)]


def charts(
    board: Leaderboard, rows: Sequence[tuple[Path, Row]], folder: Path, found: Findings | str
) -> Iterator[Chart]:
    """Yield the same before it is drawn."""
    first = first_line(board)
    models = compared_models(table_of(rows)) if isinstance(found, str) else found.compared
    labels = {line.newest.model: line.label for line in reversed(board.lines)}
    families = looks([line.newest.family for line in board.lines if line.newest.family], MARKS)
    yield ladder(first, _of_study("clock", first, rows))
    yield price(first, _with_lists(first, folder))
    yield heatmap(board.lines)
    trend = change = None
    if isinstance(found, Findings):
        trend = next(finding.estimate for finding in found.findings if finding.estimate.name == GENERATIONS)
        change = next(estimate for estimate in found.estimates[SIZES] if estimate.name == SIZE)
    yield generations(models, trend, labels, families)
    yield sizes(models, change, labels, families)
    yield forest(found)


def drawn(chart: Chart) -> Picture:
    """Return the picture of a chart."""
    if chart.empty is not None:
        return Picture(chart.name, chart.title, chart.caption, None, None, None, chart.empty)
    return Picture(
        chart.name, chart.title, chart.caption, svg(chart), figure(chart), as_csv(records(chart)), chart.empty
    )


def first_line(board: Leaderboard) -> Line | None:
    """Return the line that pictures of one model are of: the first that has a rank, or else the first."""
    return next((line for line in board.lines if line.unranked is None), board.lines[0] if board.lines else None)


def _of_study(study: str, line: Line | None, rows: Sequence[tuple[Path, Row]]) -> list[Row]:
    """Return the full rows of another study that are of the same model in the same setting as a line."""
    if line is None:
        return []
    same = ("model", "dtype", "device", "revision", "quantization")
    return [
        row
        for _, row in rows
        if row.suite == study
        and row.status == "ok"
        and row.limited == line.newest.limited
        and all(getattr(row, name) == getattr(line.newest, name) for name in same)
    ]


def _with_lists(line: Line | None, folder: Path) -> list[Row]:
    """Return the rows of a line's means as their files have them; rows in memory are without their lists."""
    found = [examine(folder / entry.file) for entry in line.of_ranking] if line else []
    return [file.row for file in found if file is not None and file.row is not None]
