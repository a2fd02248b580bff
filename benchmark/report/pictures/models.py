"""Pictures over models: on which workloads they gain, and by generation and size, from the rows of the findings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from benchmark.report.board.lines import Line
from benchmark.report.findings.comparisons import LARGE, of_generations, of_sizes
from benchmark.report.findings.estimates import Estimate
from benchmark.report.pictures.chart import NO_FAMILY, NO_LOOK, Axis, Chart, Guide, Look, Mark, Panel, Series, written

_LINES = 40
"""Lines of a heatmap at most."""
_ASK = "Slope and interval: exitbench leaderboard --findings."


def heatmap(lines: Sequence[Line]) -> Chart:
    """Return the skip ratio above chance of every line on every workload."""
    name, title = "workloads", "Skip ratio above chance by workload"
    shown = [line for line in lines if line.counted][:_LINES]
    workloads = sorted({workload for line in shown for workload in line.counted})
    marks = tuple(
        Mark(x, y, text=_percent(above), line=line.label, file=entry.file.as_posix(), level=above)
        for y, line in enumerate(shown)
        for x, workload in enumerate(workloads)
        if (entry := line.counted.get(workload)) is not None
        and (above := _above_chance(entry.row.skip_ratio, entry.row.skip_ratio_chance)) is not None
    )
    if not marks:
        return Chart(name, title, "", empty="Measure a model with: pytest suites/ --study oracle")
    most, least = (choose(marks, key=lambda mark: mark.level or 0.0) for choose in (max, min))
    darkest = max(most.level or 0.0, 1e-9)
    cells = tuple(replace(mark, level=max(0.0, mark.level or 0.0) / darkest) for mark in marks)
    panel = Panel(
        Axis("", names=tuple(workloads)),
        Axis("", names=tuple(line.label for line in shown), lines=1),
        (Series("skip ratio above chance", "cells", cells, named=False),),
    )
    left_out = f" The first {_LINES} of {len(lines)} lines." if len(lines) > _LINES else ""
    lowest, highest = _percent(least.level), _percent(most.level)
    spread = f"{highest} of the layers"
    if lowest != highest:
        spread = f"{lowest} to {spread}: least on {workloads[int(least.x)]}, most on {workloads[int(most.x)]}"
    return Chart(
        name,
        f"Above chance a perfect rule skips {spread}",
        f"Skip ratio less what shuffled tokens would give; an empty cell was not measured.{left_out}",
        (panel,),
        height=90 + 26 * len(shown) + 40,
    )


def generations(models: pd.DataFrame, trend: Estimate | None, families: Mapping[str, Look]) -> Chart:
    """Return the skip ratio over the release date, of the models that the finding is about.

    Args:
        models: `Findings.compared`, each with the `label` of its line.
        trend: the number of the finding; None where findings were not asked for.
        families: how marks of each are drawn.
    """
    name, title = "generations", "Skip ratio by release date"
    dated = of_generations(models, "skip_ratio") if len(models) else models
    if dated.empty:
        return Chart(
            name, title, "", empty="No family has models of two release dates; measure another generation with: "
            "pytest suites/ --model NAME --download, whose entry in models.yaml has `family` and `released`.",
        )  # fmt: skip
    fits = []
    for line, some in dated.groupby("line"):
        colour, marker, dash = families.get(str(some["family"].iloc[0]), NO_LOOK)
        if ends := _fitted(some["years"], some["skip_ratio"], trend):
            fits.append(Series(f"{line}, fitted", "curve", ends, colour, marker, dash, bare=True, named=False))
    panel = Panel(
        Axis("released", ticks=_years(dated["years"])),
        Axis("skip ratio", "percent", ends=_from_zero(dated["skip_ratio"])),
        _points(dated, "years", families) + tuple(fits),
    )
    return Chart(
        name,
        title if trend is None else _change(trend, "A model released a year later"),
        "Level of each model over workloads; families with one date are left out, as in the finding. "
        + (_ASK if trend is None else f"The lines have its slope, one for each family and kind. {_said(trend)}"),
        (panel,),
        height=380,
    )


def sizes(models: pd.DataFrame, change: Estimate | None, families: Mapping[str, Look]) -> Chart:
    """Return the skip ratio over the number of parameters, of the models that the finding is about.

    Args:
        models: `Findings.compared`, each with the `label` of its line.
        change: for ten times the parameters; None where findings were not asked for.
        families: how marks of each are drawn.
    """
    name, title = "sizes", "Skip ratio by number of parameters"
    sized = of_sizes(models, "skip_ratio") if len(models) else models
    if sized.empty:
        empty = "No decoder of known size was measured in full; measure one with: pytest suites/"
        return Chart(name, title, "", empty=empty)
    sized = sized.assign(family=sized["family"].where(sized["family"].ne(""), NO_FAMILY))
    exponents = sized["parameters"].map(math.log10)
    decades = range(math.floor(exponents.min()), math.ceil(exponents.max()) + 1)
    ends = 10.0 ** (decades[0] - 0.05), 10.0 ** (decades[-1] + 0.05)
    guides = (Guide(LARGE, "20 B", vertical=True),) if ends[0] < LARGE < ends[1] else ()
    line = _fitted(exponents, sized["skip_ratio"], change)
    marks = tuple(Mark(10.0**mark.x, mark.y) for mark in line)
    fit = (Series("fitted", "curve", marks, "ink", dash="dash", bare=True),) if marks else ()
    panel = Panel(
        Axis("parameters", log=True, ticks={10.0**decade: _parameters(10.0**decade) for decade in decades}, ends=ends),
        Axis("skip ratio", "percent", ends=_from_zero(sized["skip_ratio"])),
        _points(sized, "parameters", families) + fit,
        guides,
    )
    return Chart(
        name,
        title if change is None else _change(change, "A model of ten times the parameters"),
        "Level of each model over workloads, all parameters counted, those of experts as well. "
        f"{_ASK if change is None else _said(change)}",
        (panel,),
        height=380,
    )


def _points(models: pd.DataFrame, x: str, families: Mapping[str, Look]) -> tuple[Series, ...]:
    """Return a series for each family."""
    return tuple(
        Series(str(family), "points", _marks(some, x), *families.get(str(family), NO_LOOK))
        for family, some in models.groupby("family")
    )


def _marks(models: pd.DataFrame, x: str) -> tuple[Mark, ...]:
    return tuple(
        Mark(float(across), float(skipped), line=label)
        for label, across, skipped in zip(models["label"], models[x], models["skip_ratio"], strict=True)
    )


def _fitted(x: pd.Series, skipped: pd.Series, estimate: Estimate | None) -> tuple[Mark, ...]:
    """Return both ends of the line of least squares with the estimated slope."""
    if estimate is None or estimate.value is None or not len(x):
        return ()
    middle = float(skipped.mean())
    return tuple(
        Mark(end, middle + estimate.value * (end - float(x.mean()))) for end in (float(x.min()), float(x.max()))
    )


def _from_zero(shares: pd.Series) -> tuple[float, float]:
    return min(0.0, float(shares.min())), min(1.0, max(0.01, 1.15 * float(shares.max())))


def _change(estimate: Estimate, subject: str) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return f"{subject} skips more or less: there are too few models to tell"
    more = "more" if estimate.value >= 0 else "less"
    size = f"{subject} skips {abs(estimate.value) * 100:.1f} % of the layers {more}"
    interval = f"[{100 * estimate.low:+.1f}, {100 * estimate.high:+.1f}]"
    return f"{size} {interval}" + (", which may be nothing" if estimate.low <= 0 <= estimate.high else "")


def _said(estimate: Estimate) -> str:
    value = "not determined" if estimate.value is None else f"{estimate.value:+.3f}"
    interval = "" if estimate.low is None else f" [{estimate.low:+.3f}, {estimate.high:+.3f}]"
    return f"In numbers, {estimate.unit}, {estimate.name}: {value}{interval}, models: {estimate.models}" + (
        f"; {estimate.missing}." if estimate.missing else "."
    )


def _above_chance(skipped: float | None, chance: float | None) -> float | None:
    return None if skipped is None or chance is None else skipped - chance


def _percent(share: float | None) -> str:
    return written(share or 0.0, "percent")


def _parameters(count: float) -> str:
    return f"{count / 1e9:g} B" if count >= 1e8 else f"{count / 1e6:g} M"


def _years(years: pd.Series) -> dict[float, str]:
    first, last = math.floor(years.min()), math.ceil(years.max())
    return {float(year): str(year) for year in range(first, last + 1, max(1, (last - first) // 8))}
