"""A chart as an SVG file, drawn by matplotlib: the same marks give the same bytes.

Colours are CSS variables with the light colour behind them, so that a page can show the picture on dark paper and the
file alone is readable on white. Names are written as text, never as mathematics or markup.
"""

import io
import re
import warnings
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

from benchmark.report.pictures.chart import Axis, Chart, Panel, Series, on_lines, shortened, written
from benchmark.report.pictures.palette import LIGHT, heat, variable

WIDTH = 580
"""Of every picture, in pixels."""
_LETTERS = 12
_MARKERS = {"circle": "o", "square": "s", "diamond": "D", "triangle": "^", "cross": "X", "star": "*"}
_DASHES: dict[str, Any] = {"solid": "-", "dash": (0, (5, 2)), "dot": (0, (1.2, 1.8))}
_TICKS = 5
"""Steps of an axis at most."""
_NAMED = 18
"""Series that a legend names at most."""
_HATCHED: dict[str, Any] = {"facecolor": LIGHT["paper"], "hatch": "////", "edgecolor": LIGHT["line"]}
_NAMES = {colour: name for name, colour in LIGHT.items()}
_STYLE = {
    "font.size": _LETTERS,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "svg.fonttype": "none",
    "text.parse_math": False,
    "text.color": LIGHT["ink"],
    "axes.edgecolor": LIGHT["line"],
    "axes.labelcolor": LIGHT["ink"],
    "axes.titlesize": _LETTERS,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": LIGHT["line"],
    "grid.linewidth": 0.6,
    "xtick.color": LIGHT["line"],
    "ytick.color": LIGHT["line"],
    "xtick.labelcolor": LIGHT["quiet"],
    "ytick.labelcolor": LIGHT["ink"],
    "axes.facecolor": LIGHT["paper"],
    "figure.facecolor": LIGHT["paper"],
    "savefig.facecolor": LIGHT["paper"],
    "hatch.color": LIGHT["quiet"],
    "hatch.linewidth": 0.7,
    "legend.frameon": False,
    "lines.linewidth": 1.7,
}


def svg(chart: Chart) -> str:
    """Return the file of a chart that has panels."""
    # Only now, because importing it takes a second.
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    rows = -(-len(chart.panels) // chart.columns)
    with rc_context({**_STYLE, "svg.hashsalt": chart.name}), warnings.catch_warnings():
        # Letters that the measuring font lacks are measured as a box; who opens the file has a font for them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(WIDTH / 72, rows * chart.height / 72), layout="constrained")
        grid = figure.subplots(rows, chart.columns, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place < len(chart.panels):
                _draw(axes, chart.panels[place], 34 if chart.columns > 1 else 70)
            else:
                axes.set_axis_off()
        if handles := list(_legend(chart)):
            longest = max(len(handle.get_label()) for handle in handles)
            beside = 3 if longest <= 24 else 2 if longest <= 36 else 1
            figure.legend(handles=handles, loc="outside lower left", ncols=beside, fontsize=_LETTERS - 1)
        stream = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        FigureCanvasSVG(figure).print_svg(stream, metadata=nothing)
    return _for_a_page(stream.getvalue(), chart)


def _draw(axes: Any, panel: Panel, longest_title: int) -> None:
    for series in panel.series:
        _DRAWN[series.kind](axes, panel, series)
    for guide in panel.guides:
        line = axes.axvline if guide.vertical else axes.axhline
        line(guide.at, color=LIGHT["quiet"], linestyle=_DASHES["dash"], linewidth=1)
        quiet = {"textcoords": "offset points", "color": LIGHT["quiet"], "fontsize": _LETTERS - 2, "in_layout": False}
        if guide.vertical:
            along = axes.get_xaxis_transform()
            axes.annotate(
                shortened(guide.name), (guide.at, 1), xycoords=along, xytext=(3, -2), ha="left", va="top", **quiet
            )
        else:
            along = axes.get_yaxis_transform()
            axes.annotate(
                shortened(guide.name), (1, guide.at), xycoords=along, xytext=(-2, 3), ha="right", va="bottom", **quiet
            )
    _side(axes, panel.x, vertical=False)
    _side(axes, panel.y, vertical=True)
    if panel.title:
        axes.set_title("\n".join(on_lines(panel.title, longest_title, 2)))
    if any(series.kind == "cells" for series in panel.series):
        axes.grid(False)


def _side(axes: Any, axis: Axis, vertical: bool) -> None:
    from matplotlib.ticker import MaxNLocator, NullLocator

    letter, side = ("y", axes.yaxis) if vertical else ("x", axes.xaxis)
    getattr(axes, f"set_{letter}label")(shortened(axis.title, 60))
    if axis.log:
        getattr(axes, f"set_{letter}scale")("log")
        side.set_minor_locator(NullLocator())
    if axis.names:
        side.set_ticks(
            range(len(axis.names)),
            ["\n".join(on_lines(name, 34 if vertical else 22, axis.lines)) for name in axis.names],
        )
        ends = (-0.6, len(axis.names) - 0.4)
        getattr(axes, f"set_{letter}lim")(ends[::-1] if vertical else ends)
        axes.tick_params(axis=letter, length=0)
        if not vertical:
            axes.tick_params(axis="x", labelrotation=30)
            for label in axes.get_xticklabels():
                label.set_horizontalalignment("right")
                label.set_rotation_mode("anchor")
        axes.grid(False, axis=letter)
    elif axis.ticks:
        side.set_ticks(list(axis.ticks), list(axis.ticks.values()))
    else:
        side.set_major_locator(MaxNLocator(_TICKS, steps=[1, 2, 2.5, 5, 10]))
        side.set_major_formatter(lambda value, _: written(value, axis.form) if axis.form != "number" else f"{value:g}")
    if axis.ends:
        getattr(axes, f"set_{letter}lim")(axis.ends)


def _bars(axes: Any, panel: Panel, series: Series) -> None:
    base = 1.0 if (panel.x if series.across else panel.y).form == "speed" else 0.0
    colour = LIGHT[series.colour]
    look = _HATCHED if series.hollow else {"color": colour}
    for mark in series.marks:
        draw = axes.barh if series.across else axes.bar
        at, value = (mark.y, mark.x) if series.across else (mark.x, mark.y)
        start = {"left": base} if series.across else {"bottom": base}
        draw(at, value - base, 0.62, **start, **look)
        _text(axes, mark.x, mark.y, mark.text, right=value >= base, beside=series.across)


def _points(axes: Any, panel: Panel, series: Series) -> None:
    colour = LIGHT[series.colour]
    for mark in series.marks:
        if mark.low is not None and mark.high is not None:
            if series.across:
                axes.hlines(mark.y, mark.low, mark.high, color=colour, linewidth=1.6)
            else:
                axes.vlines(mark.x, mark.low, mark.high, color=colour, linewidth=1.6)
        end = mark.high if series.across and mark.high is not None else mark.x
        _text(axes, end, mark.y, mark.text, right=True, beside=True)
    axes.plot(
        [mark.x for mark in series.marks], [mark.y for mark in series.marks], linestyle="none",
        marker=_MARKERS[series.marker], markersize=12 if series.marker == "star" else 7,
        markerfacecolor=LIGHT["paper"] if series.hollow else colour, markeredgecolor=colour, clip_on=False, zorder=3,
    )  # fmt: skip


def _curve(axes: Any, panel: Panel, series: Series) -> None:
    axes.plot(
        [mark.x for mark in series.marks], [mark.y for mark in series.marks], color=LIGHT[series.colour],
        linestyle=_DASHES[series.dash], marker=_MARKERS[series.marker],
        markersize=0 if series.bare else 5, markeredgewidth=0,
    )  # fmt: skip
    for mark in series.marks:
        _text(axes, mark.x, mark.y, mark.text, right=True, beside=True)


def _cells(axes: Any, panel: Panel, series: Series) -> None:
    from matplotlib.patches import Rectangle

    for mark in series.marks:
        shade, letters = heat(mark.level or 0.0)
        axes.add_patch(Rectangle((mark.x - 0.48, mark.y - 0.46), 0.96, 0.92, facecolor=LIGHT[shade], edgecolor="none"))
        axes.text(
            mark.x, mark.y, shortened(mark.text), color=LIGHT[letters], ha="center", va="center", fontsize=_LETTERS - 2,
            in_layout=False,  # a cell is where it is, and measuring what is written in hundreds takes its time
        )  # fmt: skip


_DRAWN = {"bars": _bars, "points": _points, "curve": _curve, "cells": _cells}


def _text(axes: Any, x: float, y: float, text: str, right: bool, beside: bool) -> None:
    if text:
        offset = ((9 if right else -6), 0) if beside else (0, 5)
        side = {"ha": "left" if right else "right", "va": "center"} if beside else {"ha": "center", "va": "bottom"}
        axes.annotate(
            shortened(text), (x, y), xytext=offset, textcoords="offset points", fontsize=_LETTERS - 1, **side,
        )  # fmt: skip


def _legend(chart: Chart) -> Iterator[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    named = {series.name: series for panel in chart.panels for series in panel.series if series.named}
    if len(named) < 2:
        return
    for series in list(named.values())[:_NAMED]:
        colour = LIGHT[series.colour]
        if series.kind in ("bars", "cells"):
            look = _HATCHED if series.hollow else {"color": colour}
            yield Patch(label=shortened(series.name), **look)
        else:
            yield Line2D(
                [], [], label=shortened(series.name), color=colour, marker=_MARKERS[series.marker],
                markersize=0 if series.bare else 6,
                linestyle=_DASHES[series.dash] if series.kind == "curve" else "none",
                markerfacecolor=LIGHT["paper"] if series.hollow else colour, markeredgecolor=colour,
            )  # fmt: skip
    if len(named) > _NAMED:
        yield Line2D([], [], linestyle="none", label=f"… and {len(named) - _NAMED} more")


def _for_a_page(text: str, chart: Chart) -> str:
    """Return the file with variables for colours, names of its own for its parts, and what it says for who hears it."""
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # which would be the page's, were it left
    text = re.sub(r"<[^>]+>", lambda tag: _tag(tag[0], chart.name), text[text.index("<svg") :])
    said = (
        f'<title id="{chart.name}-title">{escape(shortened(chart.title, 400))}</title>'
        f'<desc id="{chart.name}-desc">{escape(shortened(chart.caption, 1000))}</desc>'
    )
    head, body = text.split(">", 1)
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    _, _, width, height = re.search(r'viewBox="([^"]*)"', head)[1].split()  # type: ignore[index]
    head += (
        f' width="{float(width):.0f}" height="{float(height):.0f}" role="img"'
        f' aria-labelledby="{chart.name}-title {chart.name}-desc"'
        ' style="max-width: 100%; height: auto; stroke-linejoin: round"'
    )
    return f"{head}>{said}{body.strip()}\n"


def _tag(tag: str, name: str) -> str:
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = re.sub(r'(href="|url\()#', rf"\g<1>#{name}-", tag)
    return re.sub(r"(?<![\w-])#[0-9a-f]{6}\b", lambda found: _colour(found[0]), tag)


def _colour(code: str) -> str:
    return variable(_NAMES[code]) if code in _NAMES else code
