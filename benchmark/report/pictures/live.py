"""A chart for plotly.js: `data` and `layout` in plain types, from the same marks as the SVG.

Every mark carries `customdata`: the label of its line and the file of its row, empty where it is of several. Colours
are `var(--c-NAME, #HEX)`, which plotly.js does not know: who draws the figure puts the page's colours in their place.
Names are escaped, because plotly.js reads markup in texts.
"""

from math import log10
from typing import Any

from benchmark.report.pictures.chart import Axis, Chart, Mark, Panel, Series, numbers, on_lines, shortened, written
from benchmark.report.pictures.palette import STEPS, variable

_BETWEEN = 78
"""Pixels between panels below each other, for the title of an axis and that of the next panel."""
_BESIDE, _NAMES_BESIDE = 0.16, 0.32
"""Share of the width between panels beside each other, and where names of categories stand there."""
_ABOVE, _BELOW = 24, 50
"""Pixels above and below all panels, without the legend."""
_NAMES_BELOW = 60
"""Pixels for names of categories below the last panels, which stand aslant."""
_OF_LEGEND = 22
"""Pixels of a line of the legend."""
_MARKERS = {"triangle": "triangle-up", "cross": "x"}


def figure(chart: Chart) -> dict[str, Any]:
    """Return the figure of a chart that has panels."""
    rows = -(-len(chart.panels) // chart.columns)
    legend = _OF_LEGEND * -(-len({one.name for panel in chart.panels for one in panel.series if one.named}) // 3)
    under = legend + _BELOW + (_NAMES_BELOW if chart.panels[-1].x.names else 0)
    height = rows * chart.height + under - _BELOW
    below = _BETWEEN / (height - _ABOVE - under)
    beside = _NAMES_BESIDE if any(panel.y.names for panel in chart.panels[1:]) else _BESIDE
    layout: dict[str, Any] = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": variable("ink"), "size": 12},
        "height": height,
        "margin": {"l": 8, "r": 16, "t": _ABOVE, "b": under},
        "hovermode": "closest",
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        "annotations": [],
        "shapes": [],
        "barmode": "overlay",
    }
    data: list[dict[str, Any]] = []
    named: set[str] = set()
    for number, panel in enumerate(chart.panels):
        suffix = "" if number == 0 else str(number + 1)
        column, row = number % chart.columns, number // chart.columns
        layout[f"xaxis{suffix}"] = {
            **_axis(panel.x, vertical=False), "domain": _domain(column, chart.columns, beside), "anchor": f"y{suffix}"
        }  # fmt: skip
        layout[f"yaxis{suffix}"] = {
            **_axis(panel.y, vertical=True), "domain": _domain(rows - 1 - row, rows, below), "anchor": f"x{suffix}"
        }  # fmt: skip
        layout["annotations"] += _annotations(panel, suffix)
        layout["shapes"] += _shapes(panel, suffix)
        for series in panel.series:
            trace = _trace(panel, series)
            trace |= {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}", "legendgroup": plain(series.name)}
            trace["showlegend"] = series.named and series.name not in named
            named.add(series.name)
            data.append(trace)
    layout["showlegend"] = sum(trace["showlegend"] for trace in data) > 1
    return {"data": data, "layout": layout}


def plain(text: str) -> str:
    """Return a text from anywhere so that plotly.js shows it as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _trace(panel: Panel, series: Series) -> dict[str, Any]:
    marks = series.marks
    colour = variable(series.colour)
    common: dict[str, Any] = {
        "name": plain(shortened(series.name)),
        "x": [mark.x for mark in marks],
        "y": [mark.y for mark in marks],
        "customdata": [[mark.line, mark.file] for mark in marks],
        "hovertext": [_said(panel, series, mark) for mark in marks],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }
    if series.kind == "cells":
        return common | {
            "type": "heatmap", "z": [mark.level for mark in marks], "zmin": 0, "zmax": 1, "showscale": False,
            "text": [plain(mark.text) for mark in marks], "texttemplate": "%{text}", "xgap": 2, "ygap": 2,
            "colorscale": [[step / (STEPS - 1), variable(f"heat-{step}")] for step in range(STEPS)],
        }  # fmt: skip
    if series.kind == "bars":
        return common | _bars(panel, series, colour)
    error = _interval(series)
    trace = common | {
        "type": "scatter",
        "mode": "markers" if series.kind == "points" else "lines" if series.bare else "lines+markers",
        "marker": {
            "color": colour,
            "size": 13 if series.marker == "star" else 9 if series.kind == "points" else 5,
            "symbol": _MARKERS.get(series.marker, series.marker) + "-open" * series.hollow,
        },
        "line": {"color": colour, "dash": series.dash},
    }
    if error:
        trace["error_x" if series.across else "error_y"] = error | {"color": colour}
    if any(mark.text for mark in marks):
        trace |= {"mode": trace["mode"] + "+text", "text": [plain(shortened(mark.text)) for mark in marks]}
        # Beside a mark its interval would be written over.
        trace["textposition"] = "top center" if error and series.across else "middle right"
    return trace


def _bars(panel: Panel, series: Series, colour: str) -> dict[str, Any]:
    value = "x" if series.across else "y"
    base = 1.0 if getattr(panel, value).form == "speed" else 0.0
    return {
        "type": "bar", "orientation": "h" if series.across else "v", "base": base, "width": 0.62,
        value: [getattr(mark, value) - base for mark in series.marks],
        "text": [plain(shortened(mark.text)) for mark in series.marks], "textposition": "outside", "cliponaxis": False,
        "marker": {
            "color": variable("paper") if series.hollow else colour,
            "line": {"color": variable("line"), "width": int(series.hollow)},
            "pattern": {"shape": "/" if series.hollow else "", "fgcolor": variable("quiet"), "size": 6},
        },
    }  # fmt: skip


def _interval(series: Series) -> dict[str, Any] | None:
    if not any(mark.low is not None for mark in series.marks):
        return None
    values = [(mark, mark.x if series.across else mark.y) for mark in series.marks]
    return {
        "type": "data", "symmetric": False, "thickness": 1.5, "width": 0,
        "array": [0 if mark.high is None else mark.high - value for mark, value in values],
        "arrayminus": [0 if mark.low is None else value - mark.low for mark, value in values],
    }  # fmt: skip


def _said(panel: Panel, series: Series, mark: Mark) -> str:
    """Return what is told of a mark under the pointer."""
    x, y = numbers(series, mark)
    across, along = (_place(axis, value, series) for axis, value in ((panel.x, x), (panel.y, y)))
    parts = [f"<b>{plain(shortened(mark.line or series.name, 80))}</b>", across, along]
    if mark.low is not None and mark.high is not None:
        form = (panel.x if series.across else panel.y).form
        parts.append(f"95 % interval {written(mark.low, form)} to {written(mark.high, form)}")
    if mark.text:
        parts.append(plain(mark.text))
    return "<br>".join(parts)


def _place(axis: Axis, value: float | None, series: Series) -> str:
    if value is None:
        return f"{plain(axis.title)}: {plain(series.name)}"
    if axis.names:
        return plain(shortened(axis.names[round(value)], 80))
    return f"{plain(axis.title)}: {written(value, axis.form)}"


def _axis(axis: Axis, vertical: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "title": {"text": plain(axis.title)},
        "gridcolor": variable("line"),
        "linecolor": variable("line"),
        "zeroline": False,
        "automargin": True,
        "type": "log" if axis.log else "linear",
    }
    if axis.names:
        ends = [-0.6, len(axis.names) - 0.4]
        names = ["<br>".join(map(plain, on_lines(name, 34 if vertical else 22, axis.lines))) for name in axis.names]
        return found | {
            "tickvals": list(range(len(names))), "ticktext": names, "range": ends[::-1] if vertical else ends,
            "showgrid": False,
        }  # fmt: skip
    if axis.ticks:
        found |= {"tickvals": list(axis.ticks), "ticktext": [plain(text) for text in axis.ticks.values()]}
    elif axis.form == "percent":
        found["tickformat"] = ".0%"
    elif axis.form == "speed":
        found |= {"tickformat": ".2f", "ticksuffix": "×"}
    if axis.ends:
        found["range"] = [log10(end) for end in axis.ends] if axis.log else list(axis.ends)
    return found


def _domain(place: int, places: int, gap: float) -> list[float]:
    width = (1 - gap * (places - 1)) / places
    return [round(place * (width + gap), 4), round(place * (width + gap) + width, 4)]


def _annotations(panel: Panel, suffix: str) -> list[dict[str, Any]]:
    quiet = {"showarrow": False, "font": {"color": variable("quiet"), "size": 10}}
    found = []
    for guide in panel.guides:
        axis = panel.x if guide.vertical else panel.y
        # On a logarithmic axis a note stands at the logarithm, a line at the number itself.
        at = log10(guide.at) if axis.log else guide.at
        found.append({"text": plain(shortened(guide.name)), **quiet} | (
            {"x": at, "xref": f"x{suffix}", "xanchor": "left", "y": 1, "yref": f"y{suffix} domain", "yanchor": "top"}
            if guide.vertical
            else {"x": 1, "xref": f"x{suffix} domain", "xanchor": "right", "y": at, "yref": f"y{suffix}",
                  "yanchor": "bottom"}
        ))  # fmt: skip
    if panel.title:
        found.append(
            {"text": plain(shortened(panel.title, 60)), "x": 0, "xref": f"x{suffix} domain", "y": 1,
             "yref": f"y{suffix} domain", "xanchor": "left", "yanchor": "bottom", "showarrow": False}
        )  # fmt: skip
    return found


def _shapes(panel: Panel, suffix: str) -> list[dict[str, Any]]:
    x, y = f"x{suffix}", f"y{suffix}"
    return [
        {
            "type": "line", "line": {"color": variable("quiet"), "dash": "dash", "width": 1},
            **({"x0": guide.at, "x1": guide.at, "xref": x, "y0": 0, "y1": 1, "yref": f"{y} domain"}
               if guide.vertical
               else {"y0": guide.at, "y1": guide.at, "yref": y, "x0": 0, "x1": 1, "xref": f"{x} domain"}),
        }
        for guide in panel.guides
    ]  # fmt: skip
