"""The rows of a session as tables, a table a model and setting, with as many columns as the terminal has room for."""

from collections.abc import Iterable

from benchmark.inputs.settings import rule_text
from benchmark.interface.terminal.letters import folded
from benchmark.report.tables import Cell, Head, Table, as_text
from benchmark.results.row import DECLARED, HEADLINE, Row

_SHOWN = {
    "decoding": ("skip_ratio", "speedup_gated", "same_until", "score_full", "score", "score_loss"),
    "clock": (
        *("exit_layer_mean", "step_seconds", "round_spread", "replay_overhead", "replay_bound", "replay_speedup"),
        *("realised", "replay_speedup_alone", "deferred_overhead", "deferred_speedup_oracle", "deferred_speedup"),
        "deferred_same_until",
    ),
}
"""Columns of the studies beside the oracle."""
_WHERE_ROOM = ("gate_speed_95", "hesitation_layers_mean")
"""Columns of the oracle behind those of the headline, on a wide terminal."""
_LONGEST = (
    *("skip_ratio", "speedup_gated", "score_loss", "replay_speedup", "step_seconds"),
    *("speedup_bound_kv", "skip_ratio_chance", "interval", "eas", "gate_speed_99", "speedup_speculation", "score"),
    *("speedup_bound_layers", "exit_layer_mean", "tokens", "exit_layer_settled_mean", "speedup_bound_head"),
)
"""What stays longest where a terminal is narrow, the first of all."""
_HOW = {"decoding": "early exit for real", "clock": "on the clock"}
"""What is said of rows of a study in the place of their batches."""


def results_table(rows: Iterable[Row], columns: int) -> str:
    """Return the rows as a person wants to see them first.

    Args:
        rows: of a session; those that failed are left out.
        columns: of the terminal.
    """
    by_setting: dict[str, list[Row]] = {}
    for row in rows:
        if row.status == "ok":
            how = _HOW.get(row.suite, f"batches of {row.batch_size}")
            heading = f"{row.model}: {row.num_layers} layers, {row.precision} on {row.device}, {how}"
            by_setting.setdefault(heading, []).append(row)
    if not by_setting:
        return "nothing was measured"
    shown = [row for group in by_setting.values() for row in group]
    blocks, hidden = [], dict[str, None]()
    for heading, group in by_setting.items():
        table, dropped = _table(group).without_empty().fitting(columns)
        hidden |= dict.fromkeys(title for title in dropped if title not in _titles(_WHERE_ROOM))
        blocks.append("\n".join([*folded(heading, columns), as_text(table, columns)]))
    if hidden:
        blocks.append("\n".join(folded(f"a wider terminal shows more: {', '.join(hidden)}", columns)))
    if any(row.gates_missing and row.signals_asked == "sample" for row in shown):
        blocks.append("\n".join(folded("what real gates give is told with --signals all", columns)))
    if any(row.limited for row in shown):
        blocks.append("\n".join(folded("* limited: not the prompts of a full run", columns)))
    return "\n\n".join(blocks)


def _titles(names: Iterable[str]) -> list[str]:
    return [DECLARED[name].title for name in names]


def _table(rows: list[Row]) -> Table:
    """All columns that rows of one study have in the terminal."""
    names = _SHOWN.get(rows[0].suite, (*HEADLINE, *_WHERE_ROOM))
    heads = [Head("workload"), *_beside(rows[0])]
    for name in names:
        heads.append(Head(DECLARED[name].title, DECLARED[name].digits, rank=_rank(name)))
        if name == "skip_ratio":
            heads.append(Head("95 % interval", rank=_rank("interval")))
    return Table("", tuple(heads), tuple(tuple(_cells(row, names)) for row in rows))


def _rank(name: str) -> int:
    return _LONGEST.index(name) if name in _LONGEST else len(_LONGEST)


def _beside(row: Row) -> list[Head]:
    """Heads of what stands behind the workload, which tells cases of a study apart."""
    if row.suite == "decoding":
        return [Head("gate"), Head("policy")]
    if row.suite == "clock":
        return [Head("batch", digits=0), Head("gate", rank=1)]
    return [Head("tokens", digits=0, rank=_rank("tokens"))]


def _cells(row: Row, names: Iterable[str]) -> Iterable[Cell]:
    given = " (given)" if row.capture == "given" else ""
    gate = "" if row.gate is None else rule_text(row.gate, row.threshold_asked, row.target_asked)
    yield f"{row.workload}{'*' if row.limited else ''}{given}"
    if row.suite == "decoding":
        yield from (gate, str(row.policy))
    elif row.suite == "clock":
        yield from (row.batch_size_asked, gate)
    else:
        yield row.tokens
    for name in names:
        yield getattr(row, name)
        if name == "skip_ratio":
            low, high = row.skip_ratio_ci_low, row.skip_ratio_ci_high
            yield None if low is None or high is None else f"[{low:.3f}, {high:.3f}]"
