"""The page: one HTML file with its data, style and program, and beside it the library that makes its pictures live.

All that it says is in its HTML, tables, findings and pictures as SVG, so that it can be printed and read without its
program; the program sorts, filters, and lets one point at things. Names, texts and errors come from whoever measured.
They are data, never markup: escaped in HTML, and in JSON, in which `<` is written as an escape, shown with
`textContent` only. The policy in the head lets nothing run but what was written here, by its hash, and what lies beside
it, and forbids every connection.
"""

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from plotly.offline import get_plotlyjs

from benchmark.report.board.places import rank_ranges
from benchmark.report.board.ranking import Leaderboard
from benchmark.report.board.reproduce import commands
from benchmark.report.board.rows import LeftOut
from benchmark.report.findings.claims import Findings
from benchmark.report.leaderboard.columns import model_columns, row_columns
from benchmark.report.leaderboard.data import page_data
from benchmark.report.leaderboard.html import static
from benchmark.report.leaderboard.html.cards import card, summary
from benchmark.report.leaderboard.html.figures import figure
from benchmark.report.leaderboard.html.markup import Markup, element, join
from benchmark.report.leaderboard.lens import Lens
from benchmark.report.pictures.chart import Picture, looks
from benchmark.report.pictures.palette import MARKS, css
from benchmark.results.versions import harness_version

_ASSETS = files("benchmark.report.leaderboard") / "assets"
_PROGRAM = ("state.js", "table.js", "lens.js", "cards.js", "figures.js", "page.js")
_NO_LENS = "There is no record of tokens beside these rows; the suites write one: pytest suites/ --signals all."
LIBRARY = "plotly.min.js"
"""What `library` is called beside the page."""


@dataclass(frozen=True)
class Content:
    """What the page is about."""

    board: Leaderboard
    lines: Sequence[Mapping[str, Any]]
    """The record of each line (`tables.line_records`)."""
    rows: Sequence[Mapping[str, Any]]
    """The records of their rows (`tables.row_records`)."""
    sentence: str
    """What the rows say, first."""
    pictures: Sequence[Picture]
    findings: Findings | str
    """Or why there are none."""
    lenses: Sequence[Lens]
    left_out: Sequence[LeftOut]
    notes: Sequence[str]
    """Sentences about the tables."""
    results: PurePath
    """The results folder, relative to where the page is written."""


def page(content: Content) -> bytes:
    """Return the page."""
    results = _href(content.results) + "/"
    ranked = content.board.by_skip_ratio
    number_of = {id(line): number for number, line in enumerate(content.board.lines)}
    order = [number_of[id(line)] for line in ranked]
    lines = _lines(content, order)
    rows = _rows(content, order, lines, results)
    tables = {"lines": (model_columns(), lines), "rows": (row_columns(), rows)}
    cards = list(zip(map(card, ranked), commands(ranked), strict=True))
    scale = static.scale_of([*lines, *rows])
    data = page_data(tables, cards, content.lenses, content.pictures, scale, results)
    program = "\n".join(_asset(name) for name in _PROGRAM)
    parts = {
        "policy": "; ".join(
            [
                "default-src 'none'",
                f"script-src '{_digest(program)}' 'self' file:",
                "style-src 'unsafe-inline'",  # plotly.js writes styles of its own
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
            ]
        ),
        "style": css() + _asset("page.css"),
        "program": program,
        "data": json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        "sentence": join(content.sentence),
        "facts": _facts(content.board),
        "notes": static.notes(content.notes, content.left_out),
        "scale": f"{scale:.1f}",
        "models": static.table(*tables["lines"], scale),
        "rows": static.table(*tables["rows"], scale),
        "lens": static.lens(content.lenses[0]) if content.lenses else element("p", _NO_LENS, class_="empty"),
        "cards": join(*_cards(cards, lines, rows, results)),
        "findings": static.findings(content.findings),
        "words": static.words(*(columns for columns, _ in tables.values())),
        **{f"picture {some.name}": figure(some) for some in content.pictures},
    }
    # In one pass, so that nothing is put into what was put in.
    return re.sub(r"\{\{ ([\w -]+) \}\}", lambda found: parts.get(found[1], ""), _asset("page.html")).encode()


def library() -> bytes:
    """Return plotly.js, which makes pictures live, as the package `plotly` ships it."""
    return get_plotlyjs().encode()


def _lines(content: Content, order: Sequence[int]) -> list[dict[str, Any]]:
    """Return the records of the lines in an order, with what the page says of them besides."""
    lines = content.board.lines
    places = rank_ranges(lines)
    colours = looks([line.newest.family for line in lines if line.newest.family], MARKS)
    records = []
    for number in order:
        family = lines[number].newest.family
        best, worst = places.get(number, (None, None))
        ends = {"rank_skip_ratio_best": best, "rank_skip_ratio_worst": worst}
        more = {"summary": summary(lines[number]), "colour": colours[family][0] if family else None}
        records.append({**content.lines[number], **ends, **more})
    return records


def _rows(
    content: Content, order: Sequence[int], lines: Sequence[Mapping[str, Any]], results: str
) -> list[dict[str, Any]]:
    """Return the records of the rows, in the order of the lines: each with the place of its line there.

    Each says, too, whether it is the row that stands for its line on its workload.
    """
    place = {number: at for at, number in enumerate(order)}
    places = [
        (place[number], entry in line.counted.values())
        for number, line in enumerate(content.board.lines)
        for entry, _ in line.rows
    ]
    records = []
    for (at, counted), record in sorted(zip(places, content.rows, strict=True), key=lambda pair: pair[0][0]):
        href = _href(PurePath(record["file"]))
        own = {name: lines[at][name] for name in ("summary", "colour")}
        records.append({**record, **own, "of": at, "counted": counted, "href": href, "address": results + href})
    return records


def _facts(board: Leaderboard) -> Markup:
    """Return what the board is made of, in numbers."""
    rows = [entry.row for line in board.lines for entry, _ in line.rows]
    measured = max(row.started for row in rows)[:10]
    facts = {
        "models": len({line.newest.model for line in board.lines}),
        "workloads": len({row.workload for row in rows}),
        "rows": len(rows),
        "tokens": f"{sum(row.tokens or 0 for row in rows):,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
        "ExitBench": harness_version(),
        "last measured": measured,
    }
    return join(*(element("div", element("dt", name), element("dd", value)) for name, value in facts.items()))


def _cards(
    cards: Sequence[tuple[Sequence[str], str]],
    lines: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    results: str,
) -> Iterator[Markup]:
    some = [row for row in rows if row["of"] < static.LINES]
    of_line = {at: list(own) for at, own in itertools.groupby(some, key=lambda row: int(row["of"]))}
    for at, (values, command) in enumerate(cards[: static.LINES]):
        yield static.card(values, lines[at]["line"], command, of_line.get(at, []), results)


def _href(path: PurePath) -> str:
    """A relative address; whatever a file is called, it never leads to another address."""
    return quote(path.as_posix().encode("utf-8", "surrogateescape"))


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
