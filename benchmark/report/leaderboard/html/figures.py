"""A picture as the page shows it: its SVG with title and caption, and its files."""

import re

from benchmark.report.leaderboard.html.markup import Markup, element
from benchmark.report.pictures.chart import Picture

PICTURES = "pictures"
"""Where the files of pictures lie beside the page."""


def figure(picture: Picture) -> Markup:
    """Return a figure that is whole without the program: the drawing, or what would fill it."""
    title, caption = element("h3", picture.title), element("p", picture.caption, class_="caption")
    if picture.svg is None:
        return element("figure", title, element("p", picture.empty, class_="empty"), caption, data_picture=picture.name)
    links = [
        element("a", kind.upper(), href=f"{PICTURES}/{picture.name}.{kind}", download=True, data_export=kind)
        for kind in ("svg", "csv")
    ]
    png = element("button", "PNG", type="button", data_export="png", hidden=True)
    return element(
        "figure",
        title,
        element("div", Markup(_inline(picture.svg)), class_="still"),
        element("div", class_="live", hidden=True),
        element("figcaption", caption, element("p", "Save as ", *links, png, class_="save")),
        data_picture=picture.name,
    )


def _inline(svg: str) -> str:
    """Return an SVG file as an element of a page."""
    return re.sub(r"\A\s*(<\?xml.*?\?>|<!DOCTYPE.*?>|\s)*", "", svg, flags=re.DOTALL)
