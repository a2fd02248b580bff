"""The page: one HTML file with its data, style and program, and beside it the library that draws its pictures.

Names, texts and errors in it come from whoever measured. They are data, never markup: they travel as JSON, in which
`<` is written as an escape, and the program shows them with `textContent` only. The policy in the head lets nothing
run but what was written here, by its hash, and what lies beside it, and forbids every connection.
"""

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from plotly.offline import get_plotlyjs

from benchmark.metrics.column_types import Column
from benchmark.report.board.means import WITH_INTERVAL
from benchmark.report.board.ranking import Leaderboard
from benchmark.report.board.rows import CURVES, LeftOut
from benchmark.report.findings.claims import Findings
from benchmark.report.findings.comparisons import years
from benchmark.report.findings.text import as_data
from benchmark.report.leaderboard.texts import Sample
from benchmark.results.row import DECLARED, Row

_ASSETS = files("benchmark.report.leaderboard") / "assets"
_PROGRAM = ("state.js", "table.js", "columns.js", "plot.js", "charts.js", "pictures.js", "sections.js", "page.js")
_AVERAGED = {name: column for name, column in DECLARED.items() if column.mean is not None}
_TITLED = {name: column for name, column in _AVERAGED.items() if column.title}
_OF_ROW = (
    *("not_counted", "workload", "prompts", "tokens", "max_new_tokens", "batch_size", "chat_template", "alpha"),
    *_TITLED,
    *(f"{name}_ci_{end}" for name in WITH_INTERVAL if name in _TITLED for end in ("low", "high")),
)
LIBRARY = "plotly.min.js"
"""What `library` is called beside the page."""
_UNTITLED = _AVERAGED.keys() - _TITLED.keys()
_NOT_OF_LINE = {
    *("model", "source", "base_model", "vocab_size"),
    *_UNTITLED,
    *(f"{name}_ci_{end}" for name in _UNTITLED for end in ("low", "high")),
}
_DIGITS = 6
"""More than the page shows, so that what it rounds was not rounded into the middle before."""
_MOST_NAMES = 200


def page_data(
    board: Leaderboard,
    lines: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    left_out: Sequence[LeftOut],
    found: Findings | str,
    texts: Sequence[Sample],
    notes: Sequence[str],
    results: PurePath,
) -> dict[str, Any]:
    """Everything that the page shows, in plain types.

    Args:
        board: the lines in their order.
        lines: the record of each (`tables.line_records`).
        rows: the records of their rows (`tables.row_records`).
        left_out: rows that are not listed.
        found: what the rows say of published claims, or why they say nothing.
        texts: to colour by exits.
        notes: sentences about the tables.
        results: the results folder, relative to where the page is written.
    """
    entries = [entry for line in board.lines for entry, _ in line.rows]
    row_of = {entry.file: number for number, entry in enumerate(entries)}
    return {
        "lines": {
            **{name: _column([line[name] for line in lines]) for name in lines[0] if name not in _NOT_OF_LINE},
            "years": _column([None if math.isnan(year := years(line["released"] or "")) else year for line in lines]),
        },
        "rows": {
            "line": [number for number, line in enumerate(board.lines) for _ in line.rows],
            **{name: _column([row[name] for row in rows]) for name in _OF_ROW},
            "href": [_href(entry.file) for entry in entries],
        },
        "columns": {name: _shown(name, column) for name, column in _TITLED.items()},
        "results": _href(results) + "/",
        "curves": {name: [entry.curves.get(name, "") for entry in entries] for name in CURVES},
        "texts": [
            {
                "row": row_of[text.entry.file],
                "layers": text.num_layers,
                "tokens": text.tokens,
                "shortened": text.shortened,
            }
            for text in texts
        ],
        "findings": {"missing": found} if isinstance(found, str) else _findings(found),
        "left_out": [{"summary": str(some), "rows": some.rows[:_MOST_NAMES]} for some in left_out],
        "notes": notes,
    }


def page(data: Mapping[str, Any]) -> bytes:
    """The page of such data."""
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
        "style": _asset("page.css"),
        "program": program,
        "data": json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
    }
    # In one pass, so that nothing is put into what was put in.
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: parts[found[1]], _asset("page.html")).encode()


def library() -> bytes:
    """plotly.js, which draws the pictures, as the package `plotly` ships it."""
    return get_plotlyjs().encode()


def _shown(name: str, column: Column) -> dict[str, Any]:
    """What the page needs to show a column."""
    help_text = " ".join((Row.model_fields[name].description or "").split())
    return {"title": column.title, "digits": column.digits, "interval": name in WITH_INTERVAL, "help": help_text}


def _href(path: PurePath) -> str:
    """A relative address; whatever a file is called, it never leads to another address."""
    return quote(path.as_posix().encode("utf-8", "surrogateescape"))


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _column(values: Sequence[Any]) -> Any:
    """A column of the page's data: numbers shortened; of texts a list of words, and for each place which, or −1."""
    if any(isinstance(value, str) for value in values):
        words = sorted({value for value in values if value is not None})
        number = {word: place for place, word in enumerate(words)}
        return {"words": words, "at": [-1 if value is None else number[value] for value in values]}
    return [round(value, _DIGITS) if isinstance(value, float) else value for value in values]


def _findings(found: Findings) -> dict[str, Any]:
    data = as_data(found)
    # The folder may be written in several ways, and the page is the same.
    return _rounded({name: value for name, value in data.items() if name != "folder"})


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return round(value, _DIGITS) if isinstance(value, float) else value
