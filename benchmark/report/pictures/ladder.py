"""The ladder of a line: from what layers alone would be worth down to what a clock has seen."""

from collections.abc import Hashable, Sequence

from benchmark.inputs.settings import rule_text
from benchmark.report.board.lines import Line
from benchmark.report.board.means import harmonic_mean
from benchmark.report.ladder import STEPS as OF_CASE
from benchmark.report.pictures.chart import Axis, Chart, Guide, Mark, Panel, Series, shortened, written
from benchmark.report.pictures.studies import gate_setting
from benchmark.results.row import Row

STEPS = {
    "a perfect rule, layers alone": OF_CASE["layers"],
    "… with the output head": OF_CASE["+head"],
    "… with what the cache is owed": OF_CASE["+cache"],
    "… leaving only to stay": OF_CASE["settled"],
    "best gate, to keep 95 % of tokens": OF_CASE["gate 95 %"],
    "best gate, to keep 99 % of tokens": OF_CASE["gate 99 %"],
    "lossless self-speculation": OF_CASE["lossless"],
}
"""Each step that is a prediction in bytes, and the column that has its speed."""
CLOCK_STEPS = {
    "clock: exits known in advance": "replay_speedup",
    "clock: a real gate": "deferred_speedup",
}
"""Each step that is measured in seconds."""
_KINDS = {"ceiling": tuple(STEPS)[:4], "can be built": tuple(STEPS)[4:], "measured": tuple(CLOCK_STEPS)}
_COLOURS = {"ceiling": "1", "can be built": "2", "measured": "3"}
_NOT_MEASURED = "not measured"
_REMEDIES = {
    **dict.fromkeys(("gate_speed_95", "gate_speed_99"), "gates: pytest suites/ --signals all"),
    **dict.fromkeys(CLOCK_STEPS.values(), "clock: exitbench clock MODEL --timed-batch 1"),
}


def ladder(line: Line | None, clock: Sequence[Row]) -> Chart:
    """Return the ladder of one line: means over the workloads of the ranking, as the leaderboard's tables have them.

    Args:
        line: None where there is none.
        clock: rows of the study clock that were measured of it; those of batch 1, of one gate on one machine, count.
    """
    if line is None or not line.of_ranking:
        return Chart("ladder", "The ladder of a model", "", empty="Measure a model with: pytest suites/")
    clock = _alike(clock)
    speeds = {step: _mean(line, column) for step, column in STEPS.items()}
    speeds |= {step: harmonic_mean(clock, column) for step, column in CLOCK_STEPS.items()}
    steps = tuple(speeds)
    known = [speed for speed in speeds.values() if speed is not None]
    low, high = min([*known, 1.0]), max([*known, 1.0])
    room = max(high - low, 0.02)
    ends = (low - 0.3 * room, high + 0.2 * room)  # room for the numbers beside the bars
    file = line.of_ranking[0].file.as_posix() if len(line.of_ranking) == 1 else ""
    series = []
    for kind, some in _KINDS.items():
        marks = tuple(
            Mark(speed, steps.index(step), text=written(speed, "speed"), line=line.label, file=file)
            for step in some
            if (speed := speeds[step]) is not None
        )
        if marks:
            series.append(Series(kind, "bars", marks, _COLOURS[kind], across=True))
    missing = tuple(
        Mark(ends[1], steps.index(step), line=line.label, known=False)
        for step, speed in speeds.items()
        if speed is None
    )
    if missing:
        series.append(Series(_NOT_MEASURED, "bars", missing, "line", hollow=True, across=True))
    panel = Panel(
        Axis("speed, full model = 1", "speed", ends=ends),
        Axis("", names=steps),
        tuple(series),
        (Guide(1.0, "", vertical=True),),
        f"{shortened(line.label)}, {line.over}",
    )
    remedies = dict.fromkeys(
        _REMEDIES[column]
        for step, column in {**STEPS, **CLOCK_STEPS}.items()
        if speeds[step] is None and column in _REMEDIES
    )
    return Chart(
        "ladder",
        _title(line, speeds),
        f"{shortened(line.label, 80)}, {line.over}. Blue and orange are predictions in bytes of weights, green is "
        f"measured in seconds{_of_clock(clock)}. The best gate is chosen on one half of the prompts and judged on the "
        "other." + (f" Hatched: not measured ({'; '.join(remedies)})." if missing and remedies else ""),
        (panel,),
        height=310,
    )


def _title(line: Line, speeds: dict[str, float | None]) -> str:
    of = {column: speeds[step] for step, column in {**STEPS, **CLOCK_STEPS}.items()}
    bound, gate = of["speedup_bound_layers"], of["gate_speed_99"]
    paid = of["speedup_bound_kv"]
    if bound is None:
        return "What early exit is worth"
    text = f"Layers alone promise {written(bound, 'speed')}"
    if paid is not None:
        text += f", {written(paid, 'speed')} once head and cache are paid"
    if gate is not None:
        text += f"; the best gate that is to keep 99 % of the tokens gives {written(gate, 'speed')}"
    return text


def _alike(clock: Sequence[Row]) -> Sequence[Row]:
    """Return the rows of texts written alone whose setting most workloads have, with the gate's speed if any have it.

    Deferred decoding is timed at batch 1 only, and a mean over batches, gates or machines would be of none of them.
    """
    groups: dict[Hashable, list[Row]] = {}
    for row in clock:
        if row.batch_size_asked == 1:
            groups.setdefault((row.accelerator, gate_setting(row)), []).append(row)

    def preference(rows: Sequence[Row]) -> tuple[int, int, str]:
        with_gate = sum(row.deferred_speedup is not None for row in rows)
        return with_gate, len(rows), max(row.started for row in rows)

    return max(groups.values(), key=preference, default=[])


def _of_clock(clock: Sequence[Row]) -> str:
    if not clock:
        return ""
    row = clock[0]
    gate = f", gate {rule_text(row.gate, row.threshold_asked, row.target_asked)}" if row.gate else ""
    return f" on {', '.join(sorted({row.workload for row in clock}))} (batch 1{gate})"


def _mean(line: Line, column: str) -> float | None:
    mean = line.means.get(column)
    return None if mean is None else mean.value
