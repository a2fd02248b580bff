"""The two tables: a record for each line, and one for each row. What the CSV files and the page hold."""

from collections.abc import Sequence
from typing import Any

from benchmark.report.board.lines import Line
from benchmark.report.board.means import WITH_INTERVAL
from benchmark.report.board.ranking import Leaderboard
from benchmark.report.board.rows import LISTS, Entry
from benchmark.results.row import Row

ROW_COLUMNS = tuple(name for name in Row.model_fields if name not in LISTS)
FACTS = (
    "source",
    "revision",
    "checkpoint",
    "family",
    "released",
    "architecture",
    "stage",
    "base_model",
    "parameters",
    "active_parameters",
    "num_layers",
    "vocab_size",
    "dtype",
    "stored_as",
    "quantization",
    "device",
)
"""What all rows of a line have in common."""
_DIGITS = 6


def line_records(board: Leaderboard) -> list[dict[str, Any]]:
    """A record for each line, in order; numbers to six digits behind the point."""
    return [_line_record(line) for line in board.lines]


def row_records(board: Leaderboard) -> list[dict[str, Any]]:
    """A record for each row, in the order of the lines: its line, its file, why it does not count, all its numbers."""
    return [
        {"line": line.label, "file": entry.file.as_posix(), "not_counted": reason}
        | {name: getattr(entry.row, name) for name in ROW_COLUMNS}
        for line in board.lines
        for entry, reason in line.rows
    ]


def batch_sizes(entries: Sequence[Entry]) -> str | None:
    """Smallest and largest of the rows, such as `16` or `4–16`."""
    sizes = sorted({entry.row.batch_size for entry in entries if entry.row.batch_size is not None})
    return "–".join(map(str, sizes[:: max(len(sizes) - 1, 1)])) or None


def _line_record(line: Line) -> dict[str, Any]:
    of_ranking = line.of_ranking
    record: dict[str, Any] = {
        "rank_eas": line.ranks.get("eas"),
        "rank_skip_ratio": line.ranks.get("skip_ratio"),
        "line": line.label,
        "model": line.newest.model,
        "kind": line.kind,
        "unranked": line.unranked,
        **{name: getattr(line.newest, name) for name in FACTS},
        "batch_size": batch_sizes(of_ranking),
        "limited": line.newest.limited,
        "alpha": line.newest.alpha,
        "workloads": len(of_ranking),
        "workloads_of_ranking": len(line.workloads),
        "eas_relative": line.eas_relative,
    }
    for name, mean in line.means.items():
        record[name] = mean.value
        if name in WITH_INTERVAL:
            record |= {f"{name}_ci_low": mean.low, f"{name}_ci_high": mean.high}
    return {name: round(value, _DIGITS) if isinstance(value, float) else value for name, value in record.items()}
