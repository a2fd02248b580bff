"""The findings as a forest: what each claim comes to, with its interval and its verdict."""

from collections.abc import Sequence

from benchmark.report.findings.claims import Finding, Findings
from benchmark.report.pictures.chart import Axis, Chart, Guide, Mark, Panel, Series

_COLOURS = {"supported": "1", "contradicted": "2", "not enough data": "quiet"}


def forest(found: Findings | str) -> Chart:
    """Return the picture of the findings; empty where `found` says why there are none."""
    name, title = "findings", "Published claims, held against the rows"
    if isinstance(found, str):
        return Chart(name, title, "", empty=found)
    # Numbers of one unit stand on one axis: layers skipped, and what lies within -1 and 1 by its nature.
    skipped = [finding for finding in found.findings if finding.estimate.unit.startswith("skip ratio")]
    others = [finding for finding in found.findings if finding not in skipped]
    panels = tuple(
        _panel(some, axis)
        for some, axis in (
            (skipped, "skip ratio, or its difference or change a year"),
            (others, "correlation, or share less its counterpart"),
        )
        if some
    )
    supported, contradicted, unknown = (
        sum(finding.verdict == verdict for finding in found.findings) for verdict in _COLOURS
    )
    return Chart(
        name,
        f"Of {len(found.findings)} published claims the rows support {supported}, contradict {contradicted} and leave "
        f"{unknown} open",
        f"Models {found.models}, rows {found.rows}. The number behind each claim with its 95 % interval over models; "
        "one on the claimed side of zero supports it. Hollow: there is no interval, or it includes zero.",
        panels,
        height=60 + 34 * max(len(skipped), len(others)),
    )


def _panel(findings: Sequence[Finding], axis: str) -> Panel:
    names = tuple(finding.claim.removesuffix(".") for finding in findings)
    series = []
    for verdict, colour in _COLOURS.items():
        marks = tuple(
            Mark(value, place, finding.estimate.low, finding.estimate.high, _told(finding))
            for place, finding in enumerate(findings)
            if finding.verdict == verdict and (value := finding.estimate.value) is not None
        )
        if marks:
            hollow = verdict == "not enough data"
            series.append(Series(verdict, "points", marks, colour, "circle", hollow=hollow, across=True))
    unknown = tuple(
        Mark(0.0, place, text=_told(finding), known=False)
        for place, finding in enumerate(findings)
        if finding.estimate.value is None
    )
    if unknown:
        series.append(Series("no number", "points", unknown, "line", "cross", across=True))
    places = [place for one in series for mark in one.marks for place in (mark.x, mark.low, mark.high)]
    low, high = min(0.0, *(place for place in places if place is not None)), max(place or 0.0 for place in places)
    room = max(high - low, 0.1)
    across = Axis(axis, ends=(low - 0.05 * room, high + 0.9 * room))  # room for the verdicts
    return Panel(across, Axis("", names=names), tuple(series), (Guide(0.0, "", vertical=True),))


def _told(finding: Finding) -> str:
    return finding.verdict if finding.reason is None else finding.reason
