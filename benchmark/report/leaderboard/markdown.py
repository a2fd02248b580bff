"""The leaderboard as Markdown, to be read on a code host or in a terminal."""

from collections.abc import Iterator, Mapping, Sequence

from benchmark.report.board.lines import KINDS, Line
from benchmark.report.board.means import Mean
from benchmark.report.board.ranking import REFERENCE, Leaderboard
from benchmark.report.board.rows import LeftOut
from benchmark.report.findings.claims import Findings
from benchmark.report.leaderboard.tables import batch_sizes
from benchmark.report.pictures.chart import shortened
from benchmark.report.tables import escape, markdown_table
from benchmark.results.row import DECLARED, HEADLINE

MEANS = (
    "Means are over the workloads of the ranking; that of a bound is harmonic. The intervals, of 95 %, say how far a "
    "mean would move with other prompts: they come from the rows' own bootstrap intervals over prompts (Zou & Donner "
    "2008). A model in another revision, dtype or on another device is another line."
)
_RANKED = "eas"
_LONGEST = 80
_SHOWN = tuple(name for name in HEADLINE if name != _RANKED and DECLARED[name].mean is not None)
_HEADING = (
    *("#", "model", "family", "released", "kind", "parameters", "layers", "setting", "workloads"),
    *(DECLARED[_RANKED].title, f"{DECLARED[_RANKED].title} ratio", *(DECLARED[name].title for name in _SHOWN)),
)
_TITLES = {
    "decoder": "Decoder-only models",
    "encoder-decoder": "Encoder–decoder models",
    "encoder": "Encoder models, at masked positions",
    "unknown": "Models of unknown architecture",
}


def as_markdown(
    board: Leaderboard, left_out: Sequence[LeftOut], found: Findings | str, said: str, reference: str | None = None
) -> bytes:
    """The page.

    Args:
        board: the lines in their order.
        left_out: rows that are not listed.
        found: what the rows say of published claims, or why they say nothing.
        said: what the rows come to, in one sentence.
        reference: the model that was asked for as the reference.
    """
    blocks = [*_head(board, left_out, said, reference)]
    for kind in KINDS:
        if lines := [line for line in board.lines if line.kind == kind]:
            blocks += [f"## {_TITLES[kind]}", *_of_kind(board, kind, lines)]
    blocks += ["## Findings", *_findings(found)]
    return ("\n\n".join(blocks) + "\n").encode("utf-8", "replace")


def reference_sentence(board: Leaderboard, asked: str | None) -> str:
    """What the ratio of EAS is to."""
    if board.reference is not None:
        return f"EAS ratio: EAS over that of {board.reference.label}, on the workloads that both were measured on."
    return f"EAS ratio: none, because the reference, {asked or REFERENCE}, was not measured."


def _head(board: Leaderboard, left_out: Sequence[LeftOut], said: str, reference: str | None) -> Iterator[str]:
    rows = sum(len(line.rows) for line in board.lines)
    yield "# Leaderboard"
    yield f"**{escape(said)}**"
    if laddered := board.laddered:
        of = escape(shortened(laddered.label, _LONGEST))
        yield f"![Speeds of {of} against the full model, from a perfect rule down to what can be built](ladder.svg)"
    yield (
        f"How many layers could a perfect exit rule skip? Written by `exitbench leaderboard` from {rows} rows; each "
        "line is a model in one setting. What the numbers are: docs/definitions.md. All of them are in "
        "[models.csv](models.csv) and [rows.csv](rows.csv); pictures and filters are on the page that it writes "
        "beside them, `index.html`."
    )
    yield MEANS
    yield escape(reference_sentence(board, reference))
    if left_out:
        yield escape(f"Left out: {'; '.join(map(str, left_out))}.")


def _of_kind(board: Leaderboard, kind: str, lines: Sequence[Line]) -> Iterator[str]:
    if names := board.workloads.get(kind):
        yield f"Ranked by EAS, over {len(names)} workloads: {escape(', '.join(names))}."
    yield markdown_table(
        _HEADING,
        [_line(line) for line in lines],
        left=[1, 2, 3, 4, 7],
    )
    workloads = sorted({workload for line in lines for workload in line.counted})
    for column in ("skip_ratio", _RANKED):
        title, digits = DECLARED[column].title, DECLARED[column].digits
        yield f"### {title[:1].upper()}{title[1:]} by workload"
        yield markdown_table(
            ("model", *map(escape, workloads)),
            [
                [escape(line.label), *(_number(_value(line, name, column), digits) for name in workloads)]
                for line in lines
            ],
            left=[0],
        )
    reasons = [f"{escape(line.label)}: {line.unranked}" for line in lines if line.unranked]
    if reasons:
        yield "Without a rank: " + "; ".join(reasons) + "."


def _line(line: Line) -> list[str]:
    row, means = line.newest, line.means
    batch = batch_sizes(line.of_ranking)
    setting = [
        row.precision,
        row.quantization,
        row.device,
        batch and f"batch {batch}",
        "limited" if row.limited else None,
    ]
    return [
        str(line.ranks.get("eas", "")),
        escape(line.label),
        escape(row.family or ""),
        escape(row.released or ""),
        f"{row.architecture or ''} {row.stage or ''}".strip(),
        "" if row.parameters is None else f"{row.parameters / 1e9:.3g} B",
        "" if row.num_layers is None else str(row.num_layers),
        escape(", ".join(part for part in setting if part)),
        f"{len(line.of_ranking)} of {len(line.workloads)}",
        _mean(_RANKED, means),
        _number(line.eas_relative, 2),
        *(_mean(name, means) for name in _SHOWN),
    ]


def _findings(found: Findings | str) -> Iterator[str]:
    if isinstance(found, str):
        yield escape(found)
        return
    yield (
        f"Published claims, held against what was measured: rows {found.rows}, models {found.models}. Intervals are "
        "over models; how verdicts are made: docs/findings.md."
    )
    cells = []
    for finding in found.findings:
        effect = finding.estimate
        interval = "" if effect.low is None else f"[{effect.low:+.3f}, {effect.high:+.3f}]"
        verdict = finding.verdict + (f": {finding.reason}" if finding.reason else "")
        number = "" if effect.value is None else f"{effect.value:+.3f}"
        what = f"{effect.unit}: {effect.name}"
        cells.append([escape(finding.claim), escape(what), number, interval, str(effect.models), escape(verdict)])
    yield markdown_table(("claim", "number", "effect", "95 % interval", "models", "verdict"), cells, left=[0, 1, 5])


def _value(line: Line, workload: str, column: str) -> float | None:
    entry = line.counted.get(workload)
    value: float | None = getattr(entry.row, column) if entry else None
    return value


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _mean(column: str, means: Mapping[str, Mean]) -> str:
    mean, digits = means[column], DECLARED[column].digits
    text = _number(mean.value, digits)
    return text if mean.low is None else f"{text} [{_number(mean.low, digits)}, {_number(mean.high, digits)}]"
