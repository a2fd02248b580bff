"""One sentence that says what the rows come to: what a perfect rule skips, what that is worth, what can be had."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.messages import printable
from benchmark.report.board.lines import KINDS, Line
from benchmark.report.board.ranking import arrange
from benchmark.report.board.rows import LISTS, Entry
from benchmark.report.pictures.chart import Form, written
from benchmark.results.comparable import LIMITED, not_a_full_run
from benchmark.results.row import Row

NOTHING = "No model was measured yet; measure one with: pytest suites/"
_SKIPPED, _CHANCE, _BOUND = "skip_ratio", "skip_ratio_chance", "speedup_bound_kv"
_GATE, _LOSSLESS = "gate_speed_99", "speedup_speculation"
_WORTH = "worth at most {} once head and cache are paid"
_HAD = {
    _GATE: "the best gate that is to keep 99 % of the tokens gives",
    _LOSSLESS: "lossless self-speculation gives",
}
_MISSING = {
    _CHANCE: "what chance skips",
    _BOUND: "what that is worth",
    _GATE: "real gates (--signals all)",
    _LOSSLESS: "lossless self-speculation",
}


def headline(lines: Sequence[Line]) -> str:
    """Return what the lines of a leaderboard come to: means over workloads, as its tables have them.

    Of several lines it gives the least and the most. Those of the first kind that has a rank are told of: decoders
    where there are any. Names in it are shown as they are, for who writes Markdown or HTML to escape.

    Args:
        lines: in the order of the leaderboard.
    """
    told = _told_of(lines)
    if not told:
        return NOTHING
    return _of_one(told[0]) if len(told) == 1 else _of_several(told)


def headline_of_rows(rows: Sequence[Row]) -> str:
    """Return the same of rows, such as those of one session; rows of other studies and failed ones are not in it."""
    entries = [
        Entry(Path(str(number)), row.model_copy(update=dict.fromkeys(LISTS)))
        for number, row in enumerate(rows)
        if not_a_full_run(row) in (None, LIMITED)
    ]
    return headline(arrange(entries).lines)


def _told_of(lines: Sequence[Line]) -> list[Line]:
    known = [line for line in lines if _value(line, _SKIPPED) is not None]
    ranked = [line for line in known if line.unranked is None] or known
    first = min((KINDS.index(line.kind) for line in ranked), default=0)
    return [line for line in ranked if KINDS.index(line.kind) == first]


def _of_one(line: Line) -> str:
    layers = line.newest.num_layers
    of = f"Of the {layers} layers" if layers else "Of the layers"
    chance = "" if (some := _range([line], _CHANCE, "percent")) is None else f" (chance {some})"
    worth = "" if (some := _range([line], _BOUND, "speed")) is None else f", {_WORTH.format(some)}"
    skips = written(_value(line, _SKIPPED) or 0, "percent")
    parts = [f"{of} of {_name(line)} a perfect rule skips {skips}{chance}{worth}"]
    parts += [f"{what} {some}" for name, what in _HAD.items() if (some := _range([line], name, "speed")) is not None]
    limited = ", a limited run" if line.newest.limited else ""
    missing = [what for name, what in _MISSING.items() if _value(line, name) is None]
    return f"{'; '.join(parts)} ({printable(line.over)}{limited}).{_not_measured(missing)}"


def _of_several(lines: Sequence[Line]) -> str:
    skipped = [_value(line, _SKIPPED) or 0 for line in lines]
    lowest, highest = min(skipped), max(skipped)
    chance = "" if (some := _range(lines, _CHANCE, "percent")) is None else f" (chance {some})"
    worth = "" if (some := _range(lines, _BOUND, "speed")) is None else f", {_WORTH.format(some)}"
    fewest, skips = written(lowest, "percent"), written(highest, "percent")
    if fewest != skips:
        least, most = (lines[skipped.index(end)] for end in (lowest, highest))
        skips = f"{fewest} ({_name(least)}) to {skips} ({_name(most)})"
    # A model in two settings is two lines and one model.
    what_they_are = "models" if len({line.newest.model for line in lines}) == len(lines) else "lines"
    over = f"Over {len(lines)} {what_they_are}{_limited(lines)}"
    parts = [f"{over} a perfect rule skips {skips} of the layers{chance}{worth}"]
    parts += [f"{what} {some}" for name, what in _HAD.items() if (some := _range(lines, name, "speed")) is not None]
    missing = [
        what if count == len(lines) else f"{what} of {count} of {len(lines)} {what_they_are}"
        for name, what in _MISSING.items()
        if (count := sum(_value(line, name) is None for line in lines))
    ]
    return f"{'; '.join(parts)}.{_not_measured(missing)}"


def _limited(lines: Sequence[Line]) -> str:
    count = sum(line.newest.limited for line in lines)
    if count == 0:
        return ""
    return " (limited runs)" if count == len(lines) else f" ({count} of them limited)"


def _range(lines: Sequence[Line], name: str, form: Form) -> str | None:
    values = [value for line in lines if (value := _value(line, name)) is not None]
    if not values:
        return None
    ends = dict.fromkeys((written(min(values), form), written(max(values), form)))
    return " to ".join(ends)


def _value(line: Line, name: str) -> float | None:
    mean = line.means.get(name)
    return None if mean is None else mean.value


def _not_measured(missing: Sequence[str]) -> str:
    return f" Not measured: {', '.join(missing)}." if missing else ""


def _name(line: Line) -> str:
    name = printable(line.label)
    return name if len(name) <= 80 else f"{name[:79]}…"
