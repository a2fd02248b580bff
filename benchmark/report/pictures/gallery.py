"""Every picture of a leaderboard, in the order of the page."""

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from benchmark.report.board.lines import Line
from benchmark.report.board.ranking import Leaderboard
from benchmark.report.board.rows import LARGEST, LISTS
from benchmark.report.board.setting import setting_of
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
from benchmark.report.pictures.profiles import LINES, layers, words
from benchmark.report.pictures.studies import Filed, clock, decoding, gate_setting
from benchmark.report.pictures.svg import svg
from benchmark.results.comparable import newest, not_a_full_run
from benchmark.results.row import Row
from benchmark.results.versions import examine

_READ = 200
"""Rows of a study at most that are read again for their lists."""


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
    shown, preferred = board.by_skip_ratio, board.pictured
    laddered = board.laddered
    models = compared_models(table_of(rows)) if isinstance(found, str) else found.compared
    models = _labelled(models, board)
    families = looks([line.newest.family for line in board.lines if line.newest.family], MARKS)
    measured = [(line, _with_lists(line, folder)) for line in preferred[:LINES]]
    timed, decoded = _of_study("clock", shown, rows, folder), _of_study("decoding", shown, rows, folder)
    yield ladder(laddered, [row for label, _, row in timed if laddered is not None and label == laddered.label])
    yield price(laddered, _with_lists(laddered, folder) if laddered is not None else [])
    yield heatmap(shown)
    trend = change = None
    if isinstance(found, Findings):
        trend = next(finding.estimate for finding in found.findings if finding.estimate.name == GENERATIONS)
        change = next(estimate for estimate in found.estimates[SIZES] if estimate.name == SIZE)
    yield generations(models, trend, families)
    yield sizes(models, change, families)
    yield layers(measured, len(preferred), families)
    yield decoding(decoded)
    yield clock(timed, families)
    yield words(measured, len(preferred), families)
    yield forest(found)


def drawn(chart: Chart) -> Picture:
    """Return the picture of a chart."""
    if chart.empty is not None:
        return Picture(chart.name, chart.title, chart.caption, None, None, None, chart.empty)
    return Picture(
        chart.name, chart.title, chart.caption, svg(chart), figure(chart), as_csv(records(chart)), chart.empty
    )


def _labelled(models: pd.DataFrame, board: Leaderboard) -> pd.DataFrame:
    """Return models with the label of the line that each is, as `label`."""
    of_line = {
        (line.newest.model, line.newest.revision or "", line.newest.dtype or ""): line.label
        for line in reversed(board.lines)
        if not line.newest.limited and line.newest.quantization is None
    }
    if models.empty:
        return models
    keys = zip(models.index, models["revision"], models["dtype"], strict=True)
    return models.assign(label=[of_line.get(key, str(key[0])) for key in keys])


def _of_study(study: str, board: Sequence[Line], rows: Sequence[tuple[Path, Row]], folder: Path) -> list[Filed]:
    """Return the full rows of another study that no newer ones replace, in the order of the lines.

    Each has the label of the line that has its model and setting, or nothing. Where there are few, they have their
    lists, which rows in memory are without.
    """
    lines = {setting_of(line.newest): line.label for line in reversed(board)}
    full = [(path, row) for path, row in rows if not_a_full_run(row, study) is None]
    cases = [_case(row) for _, row in full]
    kept = newest(cases, [row.started for _, row in full])
    some = [one for one, is_newest in zip(full, kept, strict=True) if is_newest]
    if len(some) <= _READ:
        some = [(path, _whole(path) or row) for path, row in some]
    filed = [(lines.get(setting_of(row), ""), path.relative_to(folder).as_posix(), row) for path, row in some]
    order = {line.label: place for place, line in enumerate(board)}
    return sorted(filed, key=lambda one: (order.get(one[0], len(order)), one[1]))


def _case(row: Row) -> tuple[Hashable, ...]:
    """Return what a row of another study is of; a newer one of the same replaces it, however many rounds it took."""
    asked = (row.workload, row.batch_size_asked, row.policy, *gate_setting(row))
    # Seconds are those of a machine; what a text becomes is not.
    return (*setting_of(row), *asked, row.accelerator if row.suite == "clock" else None)


def _with_lists(line: Line, folder: Path) -> list[Row]:
    """Return the rows of a line's means as their files have them; rows in memory are without their lists."""
    return [_whole(folder / entry.file) or entry.row for entry in line.of_ranking]


def _whole(path: Path) -> Row | None:
    """Return a row as its file has it; none where a number in it is beyond all bounds, so that nothing can be drawn."""
    found = examine(path)
    if found is None or found.row is None:
        return None
    numbers = (number for name in LISTS for number in _numbers(getattr(found.row, name)))
    return found.row if all(abs(number) <= LARGEST for number in numbers) else None


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, list):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, int | float):
        yield value
