"""The price of a rule: what share of the tokens it changes for the layers that it skips."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmark.metrics.experiments.gates import BUILDABLE
from benchmark.report.board.lines import Line
from benchmark.report.board.means import arithmetic_mean
from benchmark.report.pictures.chart import DASHES, MARKERS, Axis, Chart, Guide, Mark, Panel, Series, shortened, written
from benchmark.report.pictures.studies import gate_look
from benchmark.results.row import Row

_SHOWN = {"logit": "similarity of logits", "hidden": "similarity of states", "topk": "overlap of the top K"}


def price(line: Line | None, rows: Sequence[Row]) -> Chart:
    """Return the picture of one line.

    Args:
        line: None where there is none.
        rows: those that its means are over, with their lists.
    """
    name, title = "price", "The price of a rule"
    if line is None or not rows:
        return Chart(name, title, "", empty="Measure a model with: pytest suites/")
    curves = list(_curves(line, rows))
    oracle, chance = arithmetic_mean(rows, "skip_ratio"), arithmetic_mean(rows, "skip_ratio_chance")
    changed = [mark.y for series in curves for mark in series.marks if mark.y > 0]
    decades = range(math.floor(math.log10(min(changed, default=0.01))), 1)
    none = 10.0 ** (decades[0] - 0.5)
    # A logarithmic axis has no zero: rules that change nothing stand below its first decade.
    ticks = {none: "none", **{10.0**decade: written(10.0**decade, "percent") for decade in decades}}
    drawn = [_raised(series, none) for series in curves]
    if oracle is not None:
        star = Mark(oracle, none, text=f"oracle {written(oracle, 'percent')}", line=line.label, value=0.0)
        drawn.append(Series("oracle", "points", (star,), "ink", marker="star"))
    guides = () if chance is None else (Guide(chance, f"chance {written(chance, 'percent')}", vertical=True),)
    # A τ-oracle that changes every token skips all layers: what lies far beyond the perfect rule is not shown.
    shown = [mark.x for series in drawn if series.colour != "quiet" for mark in series.marks]
    most = max([*shown, oracle or 0.0, (chance or 0.0) / 1.3])
    panel = Panel(
        Axis("layers skipped", "percent", ends=(-0.01, min(1.0, 1.4 * most or 1.0))),
        Axis("tokens changed", "percent", log=True, ticks=ticks, ends=(none * 0.8, 1.2)),
        tuple(drawn),
        guides,
        f"{shortened(line.label)}, {line.over}",
    )
    missing = next((row.gates_missing for row in rows if row.gates_missing), None)
    if missing is None and not any(series.name.startswith("gate ") for series in curves):
        missing = "not measured; measure with: pytest suites/ --signals all"
    return Chart(
        name,
        _title(curves, oracle),
        f"{shortened(line.label, 80)}, {line.over}. A gate's points are shares of tokens to keep, from 80 to 100 %, "
        "its threshold chosen on one half of the prompts and judged on the other; a similarity's are thresholds of the "
        "τ-oracle, which knows the last layer. The star is the perfect rule. Lower and further right is better."
        + (f" Gates that are not shown: {missing}." if missing else ""),
        (panel,),
        height=420,
    )


def _curves(line: Line, rows: Sequence[Row]) -> Iterator[Series]:
    for gate in BUILDABLE:
        if points := _points(rows, f"gate_{gate.name}_skip_ratio", f"gate_{gate.name}_agreement"):
            yield Series(f"gate {gate.name}", "curve", _marks(points, line), *gate_look(gate.name))
    for number, (similarity, title) in enumerate(_SHOWN.items()):
        if points := _points(rows, f"tau_skip_ratio_{similarity}", f"tau_agreement_{similarity}"):
            yield Series(title, "curve", _marks(points, line), "quiet", MARKERS[number], DASHES[number])


def _points(rows: Sequence[Row], skipped: str, agreement: str) -> list[tuple[float, float]]:
    """Return mean skip ratio and mean share of changed tokens over the rows, by setting; none unless all have them."""
    lists = [(getattr(row, skipped), getattr(row, agreement)) for row in rows]
    if (
        any(one is None or other is None for one, other in lists)
        or len({len(part) for pair in lists for part in pair}) != 1
    ):
        return []
    count = len(lists)
    skips, kept = (zip(*(pair[place] for pair in lists), strict=True) for place in (0, 1))
    return [(math.fsum(one) / count, 1 - math.fsum(other) / count) for one, other in zip(skips, kept, strict=True)]


def _marks(points: Sequence[tuple[float, float]], line: Line) -> tuple[Mark, ...]:
    return tuple(Mark(x, max(y, 0.0), line=line.label) for x, y in sorted(points))


def _raised(series: Series, none: float) -> Series:
    marks = (mark if mark.y > none else replace(mark, y=none, value=mark.y) for mark in series.marks)
    return replace(series, marks=tuple(marks))


def _title(curves: Sequence[Series], oracle: float | None) -> str:
    within = [
        (mark.x, series.name)
        for series in curves
        if series.name.startswith("gate ")
        for mark in series.marks
        if mark.y <= 0.05
    ]
    if not within or oracle is None:
        return "The price of a rule"
    most, name = max(within)
    if most < 0.0005:
        return f"Of {written(oracle, 'percent')} that a perfect rule skips, no rule that changes at most 5 % gets any"
    return (
        f"Of {written(oracle, 'percent')} that a perfect rule skips, the best rule that changes at most 5 % of the "
        f"tokens gets {written(most, 'percent')} ({name.removeprefix('gate ')})"
    )
