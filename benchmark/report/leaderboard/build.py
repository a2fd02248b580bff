"""The files of the leaderboard, as bytes: the same rows always give the same."""

import os
from pathlib import Path

from benchmark.errors import InputError
from benchmark.report.board.ranking import arrange
from benchmark.report.board.rows import FolderRows, read_entries
from benchmark.report.csv_text import as_csv
from benchmark.report.findings.claims import Findings, findings_of
from benchmark.report.findings.comparable_rows import table_of
from benchmark.report.headline import headline
from benchmark.report.leaderboard.html.figures import PICTURES
from benchmark.report.leaderboard.lens import lenses
from benchmark.report.leaderboard.markdown import MEANS, as_markdown, reference_sentence
from benchmark.report.leaderboard.page import Content, page
from benchmark.report.leaderboard.tables import line_records, row_records
from benchmark.report.pictures.gallery import pictures

PAGE = "index.html"
LADDER = "ladder.svg"
KEPT = ("leaderboard.md", "models.csv", "rows.csv", LADDER)
"""What is kept beside rows that are published; the rest is made from them wherever it is wanted."""


def files(folder: Path, output: Path, reference: str | None, limited: bool, with_findings: bool) -> dict[str, bytes]:
    """Content of every file by name; an empty one for a picture of which nothing was measured, so that none is left.

    Args:
        folder: of results.
        output: where they will be written; links to rows are relative to it.
        reference: name of the model whose EAS is 1.
        limited: whether limited runs are listed.
        with_findings: whether published claims are held against the rows, too.

    Raises:
        InputError: there is nothing to list, or no such reference.
    """
    reading = read_entries(folder, limited)
    board = arrange(reading.entries, reference)
    lines, rows = line_records(board), row_records(board)
    found = _findings(reading, folder) if with_findings else "Not asked for; --findings adds them."
    shown, unreadable = lenses(folder, board.lines)
    notes = [MEANS, reference_sentence(board, reference)]
    notes += [f"Texts that are not shown, because the tokens cannot be read: {unreadable}."] * bool(unreadable)
    said = headline(board.lines)
    drawn = pictures(board, reading.rows, folder, found)
    svgs = {f"{PICTURES}/{picture.name}.svg": (picture.svg or "").encode("utf-8", "replace") for picture in drawn}
    results = Path(os.path.relpath(folder.resolve(), output.resolve()))
    return {
        "leaderboard.md": as_markdown(board, reading.left_out, found, said, reference),
        "models.csv": as_csv(lines),
        "rows.csv": as_csv(rows),
        PAGE: page(Content(board, lines, rows, said, drawn, found, shown, reading.left_out, notes, results)),
        **svgs,
        LADDER: svgs[f"{PICTURES}/{LADDER}"],
        **{f"{PICTURES}/{picture.name}.csv": picture.csv or b"" for picture in drawn},
    }


def _findings(reading: FolderRows, folder: Path) -> Findings | str:
    try:
        return findings_of(table_of(reading.rows), str(folder))
    except InputError as error:
        # The folder may be written in several ways, and the files are the same.
        return str(error).removeprefix(f"{folder}: ")
