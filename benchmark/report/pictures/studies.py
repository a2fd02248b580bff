"""Pictures of the other studies: early exit for real, and the clock."""

from collections.abc import Hashable, Iterator, Mapping, Sequence

from benchmark.metrics.experiments.gates import BUILDABLE
from benchmark.report.pictures.chart import (
    DASHES,
    MARKERS,
    NO_LOOK,
    Axis,
    Chart,
    Guide,
    Look,
    Mark,
    Marker,
    Panel,
    Series,
    shortened,
    written,
)
from benchmark.report.pictures.palette import MARKS
from benchmark.results.row import Row

Filed = tuple[str, str, Row]
"""The label of the line that a row belongs to, empty without one, the row's file, and the row."""
_POLICIES: dict[str, Marker] = {"recompute": "circle", "propagate": "square", "copy": "diamond"}
_PARTS = {
    "missing states alone": ("oracle", "propagate"),
    "the gate alone": (None, "recompute"),
    "both": (None, "propagate"),
}
"""What does damage, with the gate, None for one that can be built, and the policy."""
_POSITIONS = 6
"""Rows whose damage is shown by position at most."""
_ROWS = 24
"""Rows of a picture of the clock at most."""


def gate_look(gate: str) -> Look:
    """Return how a gate is drawn, everywhere."""
    names = [one.name for one in BUILDABLE]
    if gate not in names:
        return ("ink", "star", "solid")
    number = names.index(gate)
    round_ = number // len(MARKS)
    return MARKS[number % len(MARKS)], MARKERS[round_], DASHES[round_]


def gate_setting(row: Row) -> tuple[Hashable, ...]:
    """Return what a row says of its gate, and of how long tokens may wait: equal for gates that decide alike."""
    asked = (row.gate, row.threshold_asked, row.target_asked)
    return (*asked, row.check_every, row.min_exit_layer, row.max_pending)


def decoding(rows: Sequence[Filed]) -> Chart:
    """Return what becomes of texts when tokens really leave: fidelity, score, what did the damage, and where.

    Args:
        rows: full rows of the study; a few of them with their lists.
    """
    name, title = "decoding", "Early exit for real"
    if not rows:
        return Chart(
            name, title, "",
            empty="No token left early for real yet; measure with: pytest suites/ --study decoding --gate margin@0.95 "
            "--gate oracle --policy propagate",
        )  # fmt: skip
    skipped = Axis("layers skipped", "percent")
    panels = [
        Panel(
            skipped, Axis("tokens before a difference", "percent", ends=(0.0, 1.04)),
            tuple(_by_gate(rows, "same_until")), title="still the full model's text",
        ),
        Panel(
            skipped, Axis("loss of score", "percent"), tuple(_by_gate(rows, "score_loss")), (Guide(0.0, ""),),
            "what it costs in answers",
        ),
        _damage(rows),
        _by_position(rows),
    ]  # fmt: skip
    drawn = tuple(panel for panel in panels if panel.series)
    return Chart(
        name,
        _title_of_decoding(rows),
        f"Rows {len(rows)}, of {', '.join(sorted({shortened(row.model, 40) for _, _, row in rows}))}. Shapes are what "
        "deeper layers get of a token that left: recompute (circle), propagate (square), copy (diamond). Intervals of "
        "95 % are over prompts. The oracle cannot be built; under propagate it shows what missing states do by "
        "themselves.",
        drawn,
        columns=2 if len(drawn) > 1 else 1,
        height=250,
    )


def clock(rows: Sequence[Filed], families: Mapping[str, Look]) -> Chart:
    """Return what layers are worth in seconds, against what bytes promise.

    Args:
        rows: full rows of the study; with their lists where there are few.
        families: how marks of each are drawn.
    """
    name, title = "clock", "On the clock"
    timed = [one for one in rows if one[2].replay_speedup is not None][:_ROWS]
    if not timed:
        return Chart(
            name, title, "", empty="Nothing was timed yet; measure with: exitbench clock MODEL --timed-batch 1"
        )
    workloads = sorted({row.workload for _, _, row in timed})
    looks = [
        (families.get(row.family or "", NO_LOOK)[0], MARKERS[workloads.index(row.workload) % len(MARKERS)])
        for _, _, row in timed
    ]
    one_model, one_size = (
        len({getattr(row, name) for _, _, row in timed}) == 1 for name in ("model", "batch_size_asked")
    )
    names = [
        ("" if one_model else f"{row.model} × ")
        + row.workload
        + ("" if one_size else f", batch {row.batch_size_asked}")
        for _, _, row in timed
    ]
    bounded = [
        Series(
            name_of, "points",
            (Mark(row.replay_bound, row.replay_speedup, row.replay_speedup_ci_low, row.replay_speedup_ci_high,
                  line=line, file=file),),
            colour, marker,
        )
        for (line, file, row), (colour, marker), name_of in zip(timed, looks, names, strict=True)
        if row.replay_bound is not None and row.replay_speedup is not None
    ]  # fmt: skip
    panels = []
    if bounded:
        ends = [value for one in bounded for mark in one.marks for value in (mark.x, mark.y)]
        low, high = min([1.0, *ends]), max([1.05, *ends])
        whole = Series("the whole bound", "curve", (Mark(low, low), Mark(high, high)), "quiet", dash="dash", bare=True)
        panels.append(
            Panel(
                Axis("bound, in bytes", "speed"), Axis("replay, in seconds", "speed"), (whole, *bounded),
                title="exits known in advance",
            )
        )  # fmt: skip
    panels.append(_ways(timed, looks, names))
    return Chart(
        name,
        _title_of_clock(timed),
        "Speeds are against the same loop with all layers (replay), or against plain generate (the real gate, "
        "self-speculation). Overheads are seconds of a loop with all layers over plain generate: above 1 it is slower. "
        f"Rows {len(timed)}{'' if len(timed) == len(rows) else f' of {len(rows)}'}.",
        tuple(panels),
        columns=len(panels),
        height=300,
    )


def _by_gate(rows: Sequence[Filed], column: str) -> Iterator[Series]:
    """Yield the rows of each gate and policy: what a column is over what is skipped."""
    groups: dict[tuple[str, str], list[Mark]] = {}
    for line, file, row in rows:
        value = getattr(row, column)
        if value is not None and row.skip_ratio is not None and row.gate is not None and row.policy is not None:
            low, high = (getattr(row, f"{column}_ci_{end}") for end in ("low", "high"))
            mark = Mark(row.skip_ratio, value, low, high, line=line, file=file)
            groups.setdefault((row.gate, row.policy), []).append(mark)
    for (gate, policy), marks in sorted(groups.items()):
        yield Series(f"{gate}, {policy}", "points", tuple(marks), gate_look(gate)[0], _POLICIES.get(policy, "circle"))


def _damage(rows: Sequence[Filed]) -> Panel:
    """Return what is lost where states are missing, where a gate errs, and where both: a mark a row.

    As in the findings, of gates with a target, which are told of the same prompts as the oracle.
    """
    groups: dict[str, list[Mark]] = {}
    for line, file, row in rows:
        for place, (gate, policy) in enumerate(_PARTS.values()):
            of_part = (row.gate == "oracle") == (gate == "oracle") and row.policy == policy
            if of_part and row.same_until is not None and (gate == "oracle" or row.target_asked is not None):
                groups.setdefault(row.gate or "", []).append(Mark(1 - row.same_until, place, line=line, file=file))
    series = tuple(
        Series(gate, "points", tuple(marks), gate_look(gate)[0], "triangle", across=True, named=False)
        for gate, marks in sorted(groups.items())
    )
    return Panel(
        Axis("tokens behind a difference", "percent", ends=(-0.03, 1.03)), Axis("", names=tuple(_PARTS)), series,
        title="what does the damage",
    )  # fmt: skip


def _by_position(rows: Sequence[Filed]) -> Panel:
    series: list[Series] = []
    for line, file, row in rows:
        starts, shares = row.fidelity_positions or [], row.same_until_by_position or []
        if starts and len(starts) == len(shares) and len(series) < _POSITIONS:
            marks = tuple(
                Mark(start + 1.0, share, line=line, file=file) for start, share in zip(starts, shares, strict=True)
            )
            colour = gate_look(row.gate or "")[0]
            dash = DASHES[list(_POLICIES).index(row.policy) if row.policy in _POLICIES else 0]
            series.append(
                Series(f"{row.gate}, {row.policy}", "curve", marks, colour, dash=dash, bare=True, named=False)
            )
    return Panel(
        Axis("place in the text, from 1", log=True, ticks={2.0**power: str(2**power) for power in range(0, 12, 2)}),
        Axis("tokens before a difference", "percent", ends=(0.0, 1.04)), tuple(series), title="along the text",
    )  # fmt: skip


def _ways(timed: Sequence[Filed], looks: Sequence[tuple[str, Marker]], names: Sequence[str]) -> Panel:
    ways = (
        "exits known: replay", "exits known: deferred", "real gate: deferred", "self-speculation, best",
        "overhead: replay", "overhead: deferred",
    )  # fmt: skip
    series = []
    for (line, file, row), (colour, marker), name in zip(timed, looks, names, strict=True):
        values = (
            row.replay_speedup, row.deferred_speedup_oracle, row.deferred_speedup,
            max(row.drafted_speedups, default=None) if row.drafted_speedups else None,
            row.replay_overhead, row.deferred_overhead,
        )  # fmt: skip
        marks = tuple(
            Mark(value, place, line=line, file=file) for place, value in enumerate(values) if value is not None
        )
        series.append(Series(name, "points", marks, colour, marker, across=True))
    return Panel(
        Axis("times", "speed"), Axis("", names=ways), tuple(series), (Guide(1.0, "", vertical=True),),
        "speeds and overheads",
    )  # fmt: skip


def _title_of_decoding(rows: Sequence[Filed]) -> str:
    real = [row for _, _, row in rows if row.gate != "oracle" and row.skip_ratio is not None]
    within = [row for row in real if row.score_loss is not None and row.score_loss <= 0.05]
    if within:
        best = max(within, key=lambda row: row.skip_ratio or 0.0)
        return (
            f"Within 5 % of the full model's score, real gates skip up to {written(best.skip_ratio or 0.0, 'percent')} "
            f"of the layers ({best.gate}, {best.policy}, {best.workload})"
        )
    scored = any(row.score_loss is not None for row in real)
    return "No real gate stays within 5 % of the full model's score" if scored else "Early exit for real"


def _title_of_clock(timed: Sequence[Filed]) -> str:
    speeds = [row.replay_speedup for _, _, row in timed if row.replay_speedup is not None]
    ends = dict.fromkeys((written(min(speeds), "speed"), written(max(speeds), "speed")))
    text = f"With exits known in advance, layers that are left out are worth {' to '.join(ends)} on the clock"
    gates = [row.deferred_speedup for _, _, row in timed if row.deferred_speedup is not None]
    return text + (f"; a real gate gives at most {written(max(gates), 'speed')}" if gates else "")
