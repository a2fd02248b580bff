"""The parts of the page that are there without its program: tables, a lens, cards, findings, words."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from benchmark.report.board.rows import LeftOut
from benchmark.report.findings.claims import Findings
from benchmark.report.findings.estimates import Estimate
from benchmark.report.leaderboard.columns import Shown, interval, written
from benchmark.report.leaderboard.html.cards import TITLES
from benchmark.report.leaderboard.html.markup import Markup, element, join
from benchmark.report.leaderboard.lens import Lens, state_of

LINES = 100
"""Lines of a table, and cards, that are there without the program."""
LEFT_OUT = 200
"""Names of rows that are left out for one reason."""


def table(columns: Sequence[Shown], records: Sequence[Mapping[str, Any]], scale: float) -> Markup:
    """Return the first lines of a table, with the columns that are shown before anybody asks for more.

    Args:
        columns: of the table.
        records: a value for each column.
        scale: the skip ratio at the right end of a dot plot.
    """
    keys = [column for column in columns if column.key]
    heading = [element("th", column.title, scope="col", title=column.help, class_=_side(column)) for column in keys]
    body = [element("tr", *(_cell(column, record, scale) for column in keys)) for record in records[:LINES]]
    left = len(records) - len(body)
    more = f"The first {len(body)} of {len(records)}; the program of the page shows the others." if left else None
    return join(
        element("thead", element("tr", *heading)),
        element("tbody", *body),
        more and element("tfoot", element("tr", element("td", more, colspan=len(keys)))),
    )


def scale_of(records: Sequence[Mapping[str, Any]]) -> float:
    """Return the skip ratio that is the right end of all dot plots: the largest that is shown, in whole tenths."""
    names = ("skip_ratio", "skip_ratio_ci_high", "skip_ratio_chance")
    most = max((record.get(name) or 0 for record in records for name in names), default=0)
    return max(math.ceil(10 * most) / 10, 0.1)


def card(values: Sequence[str], label: str, command: str, rows: Sequence[Mapping[str, Any]], results: str) -> Markup:
    """Return the card of a line, which `#model=` leads to.

    Args:
        values: of each of `cards.TITLES`.
        label: of the line.
        command: what measures it again.
        rows: its records.
        results: the results folder as an address.
    """
    facts = [
        join(element("dt", title), element("dd", value)) for title, value in zip(TITLES, values, strict=True) if value
    ]
    links = [
        element("li", element("a", row["workload"], href=results + row["href"]), f" {_ratio(row)}") for row in rows
    ]
    return element(
        "details",
        element("summary", label),
        element("dl", *facts),
        element("p", "Measure it again, in a folder whose model file has this entry:"),
        element("pre", element("code", command)),
        element("p", "Its rows, with the skip ratio of each:"),
        element("ul", *links),
        class_="card",
        id=f"model={label}",
    )


def lens(shown: Lens) -> Markup:
    """Return a lens: the prompt, and a table of tokens from left to right and layers from the last, on top, down."""
    row, question = shown.entry.row, shown.question
    heading = element("tr", element("th", "layer", scope="col"), *(_token(token) for token in shown.tokens))
    matches = shown.matches.tolist()
    body = []
    for layer in range(shown.num_layers, 0, -1):
        cells = [_says(shown, number, state_of(some, layer), layer) for number, some in enumerate(matches)]
        body.append(element("tr", element("th", layer, scope="row"), *cells))
    grid = element("table", element("thead", heading), element("tbody", *body))
    box = element("div", grid, class_="scroll", tabindex=0, role="group", aria_label="layers by tokens")
    caption = element("figcaption", f"{row.model} on {row.workload}, prompt {shown.prompt + 1}.")
    asked = element("blockquote", question.text) if question.text is not None else element("p", question.missing)
    return join(asked, element("figure", caption, box, class_="lens"))


def findings(found: Findings | str) -> Markup:
    """Return the claims with their verdicts, and below them what they rest on."""
    if isinstance(found, str):
        return element("p", found)
    claims = [
        [
            f"{some.claim} ({some.source})",
            f"{some.estimate.unit}: {some.estimate.name}",
            *_effect(some.estimate),
            some.verdict + (f": {some.reason}" if some.reason else ""),
        ]
        for some in found.findings
    ]
    further = [
        element(
            "details",
            element("summary", heading),
            _plain(
                heading,
                ("of", "effect", "95 % interval", "models", "unit"),
                [[each.name, *_effect(each), each.unit + f"; {each.missing}" * bool(each.missing)] for each in some],
                words=(0, 4),
            ),
        )
        for heading, some in found.estimates.items()
        if some
    ]
    left = "; ".join(f"{count} {reason}" for reason, count in found.left_out.items())
    notes = [*([f"Not compared: {left}."] if left else []), *found.notes]
    return join(
        element(
            "p",
            f"Published claims, held against what was measured: rows {found.rows}, models {found.models}. Intervals "
            "are over models.",
        ),
        _plain(
            "claims",
            ("claim", "what is counted", "effect", "95 % interval", "models", "verdict"),
            claims,
            words=(0, 1, 5),
        ),
        *further,
        *(element("p", note, class_="quiet") for note in notes),
    )


def notes(sentences: Sequence[str], left_out: Sequence[LeftOut]) -> Markup:
    """Return what has to be said of the tables, and which rows are not in them."""
    return join(
        *(element("p", sentence) for sentence in sentences),
        *(
            element(
                "details",
                element("summary", f"Left out: {some}"),
                element("ul", *(element("li", name, f": {why}" if why else "") for name, why in some.rows[:LEFT_OUT])),
            )
            for some in left_out
        ),
    )


def words(*tables: Sequence[Shown]) -> Markup:
    """Return what each heading means, once."""
    told = {column.title: column.help for columns in tables for column in columns if column.help}
    return join(*(join(element("dt", title), element("dd", help_text)) for title, help_text in told.items()))


def _side(column: Shown) -> str:
    return "words" if column.kind in ("text", "model", "file") else column.kind


def _cell(column: Shown, record: Mapping[str, Any], scale: float) -> Markup:
    text = written(column, record)
    if column.kind == "model":
        link = element("a", text, href=f"#model={quote(text, safe='')}")
        mark = (
            element("i", class_="family", style=f"--family: var(--c-{record['colour']})")
            if record.get("colour")
            else None
        )
        return element("th", mark, link, element("small", record.get("summary")), scope="row")
    if column.kind == "file":
        content: object = element("a", "JSON", href=record["address"])
    elif column.kind == "dot":
        content = join(_dot(record, scale), text, " ", element("small", interval(column, record)))
    else:
        content = join(text, *([" ", element("small", interval(column, record))] if interval(column, record) else []))
    return element("td", content, data_title=column.title, class_=_side(column))


def _dot(record: Mapping[str, Any], scale: float) -> Markup | None:
    """Return the skip ratio as a dot on its interval, with chance as a tick; percentages, so that it has any width."""
    value = record.get("skip_ratio")
    if value is None:
        return None
    low, high, chance = (record.get(f"skip_ratio_{name}") for name in ("ci_low", "ci_high", "chance"))
    line = None if low is None or high is None else element("line", x1=_at(low, scale), x2=_at(high, scale), y1=8, y2=8)
    tick = None
    if chance is not None:
        tick = element("line", class_="chance", x1=_at(chance, scale), x2=_at(chance, scale), y1=3, y2=13)
    track = element("line", class_="track", x1="0", x2="100%", y1=8, y2=8)
    dot = element("circle", cx=_at(value, scale), cy=8, r=3.5)
    colour = record.get("colour")
    family = {"style": f"--family: var(--c-{colour})"} if colour else {}
    return element("svg", track, tick, line, dot, class_="dot", aria_hidden="true", **family)


def _at(value: float, scale: float) -> str:
    return f"{100 * value / scale:.2f}%"


def _ratio(row: Mapping[str, Any]) -> str:
    return "" if row.get("skip_ratio") is None else f"{row['skip_ratio']:.3f}"


def _token(text: str) -> Markup:
    return element("th", visible(text), scope="col", title=text)


def _says(shown: Lens, number: int, state: str, layer: int) -> Markup:
    said = shown.said[number]
    text = said[layer - 1] if said else shown.tokens[number] if state != "other" else "·"
    return element("td", visible(text), class_=state)


def visible(text: str) -> str:
    """Return the text of a token so that breaks of lines, tabs and a space alone are seen."""
    text = text.replace("\n", "↵").replace("\t", "⇥")
    return text if text.strip() else text.replace(" ", "␣")


def _effect(some: Estimate) -> Iterator[str]:
    yield "" if some.value is None else f"{some.value:+.3f}"
    yield "" if some.low is None else f"[{some.low:+.3f}, {some.high:+.3f}]"
    yield str(some.models)


def _plain(name: str, heading: Sequence[str], cells: Sequence[Sequence[str]], words: Sequence[int]) -> Markup:
    """Return a table in a box of its own that scrolls."""
    side = ["words" if number in words else "number" for number in range(len(heading))]
    top = element("tr", *(element("th", cell, scope="col", class_=side[n]) for n, cell in enumerate(heading)))
    body = [
        element("tr", *(element("td", cell, class_=side[n], data_title=heading[n]) for n, cell in enumerate(line)))
        for line in cells
    ]
    inner = element("table", element("thead", top), element("tbody", *body), class_="plain")
    return element("div", inner, class_="scroll", tabindex=0, role="region", aria_label=name)
