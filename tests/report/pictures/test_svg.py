"""The SVG: well formed, the same from the same marks, colours that a page can change, names as text."""

import re
from xml.etree import ElementTree

import pytest

from benchmark.report.pictures.chart import Axis, Chart, Guide, Mark, Panel, Series
from benchmark.report.pictures.live import figure
from benchmark.report.pictures.palette import LIGHT
from benchmark.report.pictures.svg import svg

EVIL = '<b>x</b>&amp;<script>alert(1)</script> $\\frac{a}{b}$ id="x" #0072b2'
NAMES = (EVIL, 300 * "long ", "漢字 العربية", "a\x00b\x1b\ud800")
_SVG = "{http://www.w3.org/2000/svg}"


def every_kind() -> Chart:
    """A chart with marks of every kind, whose names come from anywhere."""
    bars = Series(NAMES[0], "bars", (Mark(1.2, 0, text="1.20×"), Mark(0.9, 1)), "1", across=True)
    missing = Series("not measured", "bars", (Mark(1.3, 2),), "line", hollow=True, across=True)
    points = Series(NAMES[1], "points", (Mark(1, 0.2, 0.1, 0.3, NAMES[0], line="a", file="f"),), "2", "star")
    curve = Series(NAMES[2], "curve", (Mark(1, 0.1), Mark(100, 0.4)), "3", dash="dot")
    cells = Series("cells", "cells", tuple(Mark(x, 0, text="5 %", level=x / 2) for x in range(3)))
    panels = (
        Panel(
            Axis("speed", "speed"), Axis("", names=NAMES[:3]), (bars, missing), (Guide(1.0, NAMES[3], vertical=True),)
        ),
        Panel(Axis("tokens", log=True, ticks={1: "1", 100: "100"}), Axis("share", "percent"), (points, curve)),
        Panel(Axis("", names=NAMES[:3]), Axis("", names=("x",)), (cells,), title=NAMES[0]),
    )
    return Chart("every-kind", NAMES[0], NAMES[3], panels, columns=2)


@pytest.fixture(scope="module")
def drawn() -> str:
    return svg(every_kind())


def test_it_is_well_formed_and_names_are_text(drawn: str):
    root = ElementTree.fromstring(drawn)
    assert root.tag == f"{_SVG}svg"
    assert not list(root.iter(f"{_SVG}script")) and not list(root.iter(f"{_SVG}b"))
    written = {text.text for text in root.iter(f"{_SVG}text")}
    assert any("漢字" in (text or "") for text in written)
    assert any(r"$\frac{a}{b}$" in (text or "") for text in written)


def test_the_same_marks_give_the_same_bytes(drawn: str):
    assert svg(every_kind()) == drawn


def test_who_hears_it_is_told_what_it_says(drawn: str):
    root = ElementTree.fromstring(drawn)
    title, described = root.find(f"{_SVG}title"), root.find(f"{_SVG}desc")
    assert title is not None and described is not None
    assert title.text and title.text.startswith("<b>x</b>")
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {described.get('id')}"


def test_every_colour_is_a_variable_with_the_light_one_behind_it(drawn: str):
    looks = re.findall(r'style="([^"]*)"', drawn)
    variables = {found for look in looks for found in re.findall(r"var\(--c-([\w-]+), (#[0-9a-f]{6})\)", look)}
    assert {("paper", LIGHT["paper"]), ("ink", LIGHT["ink"]), ("1", LIGHT["1"])} <= variables
    assert all(LIGHT[name] == colour for name, colour in variables)
    assert not [look for look in looks if re.search(r"(?<!, )#[0-9a-f]{6}", look)]


def test_its_parts_have_names_of_their_own_so_that_pictures_share_a_page(drawn: str):
    named = re.findall(r'<[^>]*?\bid="([^"]*)"', drawn)
    assert named and all(name.startswith("every-kind-") for name in named)
    used = set(re.findall(r'(?:href="|url\()#([^")]*)', drawn))
    assert used and used <= set(named)


def test_it_has_no_date_no_version_and_no_style_for_others(drawn: str):
    assert not re.search(r"Matplotlib v|<metadata|20\d\d-\d\d|<style", drawn)


class TestLive:
    """The same chart for plotly.js, which reads markup in texts."""

    def test_its_texts_are_escaped(self):
        texts = str(figure(every_kind()))
        assert "<script" not in texts and "<a" not in texts
        assert "&lt;script&gt;" in texts

    def test_it_has_the_marks_of_the_chart_with_their_rows(self):
        found = figure(every_kind())
        traces = {trace["type"]: trace for trace in found["data"] if trace["type"] == "scatter"}
        points = next(trace for trace in found["data"] if trace["name"].startswith("long"))
        assert (points["x"], points["y"], points["customdata"]) == ([1], [0.2], [["a", "f"]])
        assert points["error_y"]["array"] == pytest.approx([0.1])
        assert traces["scatter"]["yaxis"] == "y2"
        kinds = {trace["type"] for trace in found["data"]}
        assert kinds == {"bar", "scatter", "heatmap"}

    def test_bars_of_speeds_begin_at_the_full_model(self):
        bars = next(trace for trace in figure(every_kind())["data"] if trace["type"] == "bar")
        assert bars["base"] == 1.0 and bars["x"] == pytest.approx([0.2, -0.1])

    def test_plotly_takes_it_as_it_is(self):
        from plotly.graph_objects import Figure

        found = figure(every_kind())
        colour = re.compile(r"var\(--c-[\w-]+, (#[0-9a-f]{6})\)")

        def resolved(part: object) -> object:
            if isinstance(part, dict):
                return {name: resolved(value) for name, value in part.items()}
            if isinstance(part, list):
                return [resolved(value) for value in part]
            return colour.sub(r"\1", part) if isinstance(part, str) else part

        Figure(resolved(found))  # raises for a name or a value that plotly does not have
