"""What a picture is before anybody draws it: panels of series of marks, each mark with the rows that it is of."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["bars", "points", "curve", "cells"]
Form = Literal["number", "percent", "speed"]
Marker = Literal["circle", "square", "diamond", "triangle", "cross", "star"]
Dash = Literal["solid", "dash", "dot"]
MARKERS: tuple[Marker, ...] = ("circle", "square", "diamond", "triangle", "cross")
DASHES: tuple[Dash, ...] = ("solid", "dash", "dot")
Look = tuple[str, Marker, Dash]
"""Colour, marker and dash."""
NO_LOOK: Look = ("quiet", "circle", "solid")
NO_FAMILY = "no family"
_LONGEST = 36


@dataclass(frozen=True)
class Mark:
    """A place in a panel, and what it says."""

    x: float
    """Along the horizontal axis; the number of the category where the axis has names."""
    y: float
    """Along the vertical axis."""
    low: float | None = None
    """Lower end of the interval of what is measured."""
    high: float | None = None
    """Upper end of the same."""
    text: str = ""
    """What is written beside the mark, or in the cell."""
    line: str = ""
    """The label of the leaderboard's line that it is of; empty where it is of several or of none."""
    file: str = ""
    """The row's file in the folder of results; empty where it is of several."""
    level: float | None = None
    """Of a cell how dark it is, from 0 to 1."""
    value: float | None = None
    """What is measured, where the axis has no place for it and the mark stands elsewhere."""
    known: bool = True
    """Whether anything is measured; else the mark only fills its place, and the name of its series tells why."""


@dataclass(frozen=True)
class Series:
    """Marks of one look."""

    name: str
    """As the legend has it."""
    kind: Kind
    marks: tuple[Mark, ...]
    colour: str = "ink"
    """A name of `palette.LIGHT`."""
    marker: Marker = "circle"
    dash: Dash = "solid"
    hollow: bool = False
    """Whether marks are drawn as outlines; bars are hatched then."""
    across: bool = False
    """Whether what is measured lies along the horizontal axis, and with it intervals and bars."""
    bare: bool = False
    """Whether a curve is drawn without its marks."""
    named: bool = True
    """Whether the legend names it."""


@dataclass(frozen=True)
class Axis:
    """One side of a panel."""

    title: str
    form: Form = "number"
    log: bool = False
    names: tuple[str, ...] = ()
    """Of an axis of categories: those at 0, 1, 2, …; a vertical axis begins at the top."""
    lines: int = 2
    """On how many lines a name may stand."""
    ticks: dict[float, str] = field(default_factory=dict)
    """Of an axis whose ticks are not the usual ones, each with what it says."""
    ends: tuple[float, float] | None = None


@dataclass(frozen=True)
class Guide:
    """A line across a panel that says where something is."""

    at: float
    name: str
    vertical: bool = False


@dataclass(frozen=True)
class Panel:
    """Axes with what is drawn between them."""

    x: Axis
    y: Axis
    series: tuple[Series, ...]
    guides: tuple[Guide, ...] = ()
    title: str = ""


@dataclass(frozen=True)
class Chart:
    """A picture before it is drawn."""

    name: str
    """Of its files; letters and hyphens."""
    title: str
    """What it says, as a sentence."""
    caption: str
    """How to read it, and what it is of."""
    panels: tuple[Panel, ...] = ()
    columns: int = 1
    """Panels beside each other."""
    height: int = 320
    """Of a row of panels, in pixels of a picture that is `svg.WIDTH` wide."""
    empty: str | None = None
    """Where there is nothing to draw, what would fill it."""


@dataclass(frozen=True)
class Picture:
    """A picture, drawn."""

    name: str
    title: str
    caption: str
    svg: str | None
    """A whole SVG file as text; None where there is nothing to draw."""
    figure: dict[str, object] | None
    """The same for plotly.js, in plain types: `data` and `layout`. A colour is `var(--c-NAME, #HEX)`."""
    csv: bytes | None
    """The marks as a table."""
    empty: str | None
    """What would fill it, as a sentence; None where there is something to see."""


def shortened(name: str, longest: int = _LONGEST) -> str:
    """Return a name from anywhere in a length and in letters that can be drawn."""
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def on_lines(name: str, longest: int, lines: int) -> list[str]:
    """Return a name from anywhere on so many lines at most; at least one, which may be blank."""
    if lines == 1:
        return [shortened(name, longest)]
    return textwrap.wrap(shortened(name, 200), longest, max_lines=lines, placeholder="…") or [" "]


def written(value: float, form: Form) -> str:
    """Return a number as pictures and their titles write it."""
    if form == "speed":
        return f"{value:.2f}×"
    if form == "percent":
        percent = 100 * value
        return f"{percent:.0f} %" if abs(percent) >= 1 or percent == 0 else f"{percent:.1g} %"
    return f"{value:.3g}"


def numbers(series: Series, mark: Mark) -> tuple[float | None, float | None]:
    """Return what a mark says along x and along y; None where nothing is measured."""
    place = mark.x if series.across else mark.y
    measured = None if not mark.known else place if mark.value is None else mark.value
    return (measured, mark.y) if series.across else (mark.x, measured)


def records(chart: Chart) -> list[dict[str, object]]:
    """Return a record for each mark, for its CSV: what it says, with names of categories instead of their numbers."""
    return [
        {
            "panel": panel.title,
            "series": series.name,
            "x": _value(panel.x, x),
            "y": _value(panel.y, y),
            "low": mark.low,
            "high": mark.high,
            "text": mark.text,
            "line": mark.line,
            "file": mark.file,
        }
        for panel in chart.panels
        for series in panel.series
        for mark in series.marks
        for x, y in [numbers(series, mark)]
    ]


def looks(names: Sequence[str], colours: Sequence[str]) -> dict[str, Look]:
    """Return colour, marker and dash of each name, by its place in the alphabet: colours first, then other shapes."""
    return {
        name: (
            colours[number % len(colours)],
            MARKERS[number // len(colours) % len(MARKERS)],
            DASHES[number // len(colours) % len(DASHES)],
        )
        for number, name in enumerate(sorted(set(names)))
    }


def _value(axis: Axis, value: float | None) -> object:
    if value is None:
        return None
    if axis.names:
        return axis.names[round(value)]
    return round(value, 6)
