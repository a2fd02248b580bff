"""Pictures of what happens within a model: layer by layer, and by the place of a token."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from benchmark.report.board.lines import Line
from benchmark.report.pictures.chart import (
    DASHES,
    MARKERS,
    NO_LOOK,
    Axis,
    Chart,
    Guide,
    Look,
    Mark,
    Panel,
    Series,
    shortened,
)
from benchmark.results.row import Row

T = TypeVar("T")
Measured = tuple[Line, list[Row]]
"""A line, and the rows of its means with their lists."""
LINES = 6
"""Lines of such a picture at most."""
_IN_WORD = "word_position"
"""Of columns by the place of a token in its word; the first place is that of a token that begins one."""
_EMPTY = "Measure a model with: pytest suites/"


def layers(measured: Sequence[Measured], lines_of_board: int, families: dict[str, Look]) -> Chart:
    """Return agreement, entropy, divergence, rank, margin and halves, layer by layer.

    Args:
        measured: the first lines, `LINES` at most.
        lines_of_board: how many there are.
        families: how marks of each are drawn.
    """
    name, title = "layers", "Layer by layer"
    lines = [line for line, _ in measured]
    looks = line_looks(lines, families)
    words = {line.newest.vocab_size for line in lines} - {None}
    vocabulary = next(iter(words)) if len(words) == 1 else None
    uniform = () if vocabulary is None else (Guide(math.log(vocabulary), "knows nothing"),)
    guessing = () if vocabulary is None else (Guide(vocabulary / 2, "guesses"),)
    depth = Axis("depth, share of the layers", "percent", ends=(0.0, 1.02))

    def panel(heading: str, y: Axis, column: str, guides: tuple[Guide, ...] = (), shift: float = 0.0) -> Panel:
        series = tuple(_curves(measured, looks, lambda row: getattr(row, column), shift))
        if column == "agreement":
            floors = _curves(measured, looks, lambda row: row.agreement_chance, 0.0)
            series += tuple(replace(_dashed(one), dash="dot") for one in floors)
        if column == "half_agreement":
            series += tuple(_dashed(one) for one in _curves(measured, looks, _agreement, 0.0))
        # A guide without a curve would say something of nothing.
        return Panel(depth, y, series, guides if series else (), heading)

    ranks = {10.0**decade: f"{10**decade:,}".replace(",", " ") for decade in range(6)}
    panels = [
        panel("the full model's token (dotted: chance)", Axis("tokens", "percent", ends=(0.0, 1.03)), "agreement"),
        panel("entropy", Axis("nats"), "entropy_nats", uniform),
        panel("divergence from the last layer", Axis("nats"), "kl_nats"),
        panel("rank of the full model's token", Axis("rank", log=True, ticks=ranks), "target_rank", guessing),
        panel("largest less second largest logit", Axis("logits"), "margin"),
        panel("behind the attention (dashed: the MLP)", Axis("tokens", "percent"), "half_agreement", shift=-0.5),
    ]
    drawn = tuple(panel for panel in panels if panel.series)
    if not drawn:
        return Chart(name, title, "", empty=_EMPTY)
    return Chart(
        name,
        _title_of_layers(measured),
        "Means over the workloads of the ranking. The agreement is of all tokens, the entropy of those whose signals "
        f"were kept, the rest of the sample.{_first(lines_of_board)}",
        drawn,
        columns=2,
        height=215,
    )


def words(measured: Sequence[Measured], lines_of_board: int, families: dict[str, Look]) -> Chart:
    """Return exits by the place in the word, by the place in the text, and by how often the token occurs.

    Args:
        measured: the first lines, `LINES` at most.
        lines_of_board: how many there are.
        families: how marks of each are drawn.
    """
    name, title = "words", "Exits by place and frequency"
    looks = line_looks([line for line, _ in measured], families)
    depth = Axis("exit, share of the layers", "percent")
    places = {**{float(place): str(place) for place in range(7)}, 7.0: "7+"}
    panels = [
        Panel(
            Axis("place in the word, from 0", ticks=places), depth,
            tuple(_groups(measured, looks, None, _IN_WORD, 0.0)), title="in the word",
        ),
        Panel(
            Axis("place in the text, from 1", log=True, ticks=_doublings(measured, "text_position_start", 1)), depth,
            tuple(_groups(measured, looks, "text_position_start", "text_position", 1.0)), title="in the text",
        ),
        Panel(
            Axis("occurrences", log=True, ticks=_doublings(measured, "frequency_start", 0)), depth,
            tuple(_groups(measured, looks, "frequency_start", "frequency", 0.0)), title="by frequency in the workload",
        ),
    ]  # fmt: skip
    drawn = tuple(panel for panel in panels if panel.series)
    if not drawn:
        return Chart(name, title, "", empty=_EMPTY)
    return Chart(
        name,
        _title_of_words(measured),
        "Mean first-match exit over all tokens of the workloads of the ranking together; a place or a frequency stands "
        f"for all up to the next.{_first(lines_of_board)}",
        drawn,
        columns=2 if len(drawn) > 1 else 1,
        height=230,
    )


def line_looks(lines: Sequence[Line], families: dict[str, Look]) -> dict[str, Look]:
    """Return how each line is drawn: in the colour of its family, and those of one family in other shapes."""
    met: dict[str, int] = {}
    looks = {}
    for line in lines:
        family = line.newest.family or ""
        number = met[family] = met.get(family, -1) + 1
        colour, marker, dash = families.get(family, NO_LOOK)
        first, solid = MARKERS.index(marker), DASHES.index(dash)
        looks[line.label] = colour, MARKERS[(first + number) % len(MARKERS)], DASHES[(solid + number) % len(DASHES)]
    return looks


def _curves(
    measured: Sequence[Measured],
    looks: dict[str, Look],
    column: Callable[[Row], Sequence[float | None] | None],
    shift: float,
) -> Iterator[Series]:
    """Yield for each line its mean over rows, by layer; none of a line of which a row lacks it."""
    for line, rows in measured:
        known = _of_all(rows, column)
        count = len(known[0]) if known else 0
        marks = []
        for number, values in enumerate(zip(*known, strict=True), 1):
            there = [value for value in values if value is not None]
            if len(there) == len(values):
                marks.append(Mark((number + shift) / count, math.fsum(there) / len(there), line=line.label))
        if marks:
            colour, marker, _ = looks[line.label]
            yield Series(line.label, "curve", tuple(marks), colour, marker, bare=len(measured) == 1)


def _of_all(rows: Sequence[Row], column: Callable[[Row], Sequence[T] | None]) -> list[Sequence[T]]:
    """Return the lists of all rows; none where a row lacks its list, or has one of another length."""
    known = [values for row in rows if (values := column(row)) is not None]
    return known if len(known) == len(rows) and len(set(map(len, known))) == 1 else []


def _agreement(row: Row) -> Sequence[float] | None:
    return row.agreement


def _dashed(series: Series) -> Series:
    return replace(series, dash="dash", named=False)


def _groups(
    measured: Sequence[Measured], looks: dict[str, Look], starts: str | None, of: str, shift: float
) -> Iterator[Series]:
    """Yield for each line the mean exit of each group of tokens; none of a line of which a row lacks it."""
    for line, rows in measured:
        marks = tuple(
            Mark(group + shift, total / count, line=line.label)
            for group, (count, total) in sorted(_sums(rows, starts, of).items())
        )
        if marks:
            yield Series(line.label, "curve", marks, *looks[line.label])


def _sums(rows: Sequence[Row], starts: str | None, of: str) -> dict[int, tuple[int, float]]:
    """Return by group how many tokens of all rows together it has, and the sum of their exits in shares of the layers.

    It is empty where a row lacks them: nothing is of fewer workloads than the caption says.
    """
    sums: dict[int, tuple[int, float]] = {}
    for row in rows:
        counts, means = getattr(row, f"{of}_tokens"), getattr(row, f"{of}_exit_layer_mean")
        if counts is None or means is None or not row.num_layers:
            return {}
        groups = getattr(row, starts) if starts else range(len(counts))
        if groups is None or not len(groups) == len(counts) == len(means):
            return {}
        for group, count, exit_layer in zip(groups, counts, means, strict=True):
            if exit_layer is not None and count:
                before = sums.get(group, (0, 0.0))
                sums[group] = before[0] + count, before[1] + count * exit_layer / row.num_layers
    return sums


def _doublings(measured: Sequence[Measured], column: str, shift: int) -> dict[float, str]:
    most = max((max(getattr(row, column) or [1]) for _, rows in measured for row in rows), default=1) + shift
    powers = range(0, max(1, most).bit_length() + 1)
    return {2.0**power: str(2**power) for power in powers[:: max(1, len(powers) // 5)]}


def _title_of_layers(measured: Sequence[Measured]) -> str:
    line, rows = measured[0]
    agreement = [math.fsum(values) / len(values) for values in zip(*_of_all(rows, _agreement), strict=True)]
    half = next((number for number, share in enumerate(agreement, 1) if share >= 0.5), None)
    if half is None:
        return "Layer by layer"
    where = f"layer {half} of {len(agreement)} is the first that has half of the tokens"
    return f"In {shortened(line.label, 80)}, {where}"


def _title_of_words(measured: Sequence[Measured]) -> str:
    line, rows = measured[0]
    sums = _sums(rows, None, _IN_WORD)
    first, later = sums.pop(0, (0, 0.0)), [math.fsum(parts) for parts in zip(*sums.values(), strict=True)]
    if not first[0] or not later:
        return "Exits by place and frequency"
    layers_later = (first[1] / first[0] - later[1] / later[0]) * (rows[0].num_layers or 0)
    when = "earlier" if layers_later < 0 else "later"
    what = f"tokens that begin a word leave {abs(layers_later):.1f} layers {when} than those that continue one"
    return f"In {shortened(line.label, 80)}, {what}"


def _first(lines_of_board: int) -> str:
    return f" The first {LINES} of {lines_of_board} lines." if lines_of_board > LINES else ""
