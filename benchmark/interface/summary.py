"""The end of a session: what was not measured and why, the results, and where they are."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.interface.session.pytest_session import Combination, MeasuringSession
from benchmark.interface.session.workers import Ended
from benchmark.interface.terminal.cannot_run import cannot_run_line, cannot_run_lines
from benchmark.interface.terminal.letters import folded
from benchmark.interface.terminal.results_table import results_table
from benchmark.report.headline import headline_of_rows
from benchmark.results.comparable import STUDY
from benchmark.results.versions import remark

_FEW = 8


def summary(
    session: MeasuringSession,
    ended: Sequence[Ended],
    interrupted: Sequence[Combination],
    columns: int,
    names_wanted: bool,
    empty: bool,
) -> Iterator[tuple[str, list[str]]]:
    """Yield sections of the summary: the title of each, and its lines.

    Args:
        session: that ends.
        ended: what each of its processes leaves.
        interrupted: the cases that were asked for, if it was interrupted.
        columns: of the terminal.
        names_wanted: whether everything that cannot run here is named, with the reason.
        empty: whether nothing could run; then it is named as well, unless that would be much.
    """
    rows = {names: path for one in ended for names, path in one.rows.items()}
    measured = {names for one in ended for names in one.measured}
    cannot_run = {name: error for one in ended for name, error in one.cannot_run.items()}
    in_store = {names: row for names, path in rows.items() if (row := session.store.read(Path(path))) is not None}
    earlier = sum(names not in measured for names in in_store)
    untold = {name: error for name, error in cannot_run.items() if name not in session.told}
    names_wanted = names_wanted or (empty and not rows and len(cannot_run) <= _FEW)
    if untold or (cannot_run and names_wanted) or earlier:
        lines = []
        if cannot_run and names_wanted:
            lines += cannot_run_lines(cannot_run, columns)
        elif 0 < len(untold) <= _FEW:  # what was found out only now is told with its remedy
            lines += cannot_run_lines(untold, columns)
        elif untold:
            lines.append(cannot_run_line(*session.names, untold))
        if earlier:
            cases = f"{earlier} {'case' if earlier == 1 else 'cases'}"
            whole = "all of " if not measured and earlier == len(rows) and earlier > 1 else ""
            lines.append(f"{whole}{cases} ended in an earlier run; --rerun all|failed repeats them")
        yield "not measured now", [part for line in lines for part in folded(line, columns)]
    if rows or interrupted:
        failed = sum(row.status == "failed" for row in in_store.values())
        counts = f"{len(measured)} measured now, {len(in_store)} rows, {failed} failed"
        oracle = any(row.suite == STUDY and row.status == "ok" for row in in_store.values())
        table = results_table(in_store.values(), columns).split("\n")
        lines = [f"{counts}, in {session.store.folder} (table.csv: all rows there)"]
        if interrupted:
            done, possible = session.complete(interrupted)
            lines.append(f"interrupted: {done} of {possible} complete; run the same command to go on")
        lines += dict.fromkeys(one.table for one in ended if one.table)
        if (others := remark(session.store.folder)) is not None:
            lines.append(others)
        sentence = folded(headline_of_rows(list(in_store.values())), columns) if oracle else []
        blocks = [*sentence, *([""] if sentence else []), *table, ""]
        yield "exitbench results", [*blocks, *(part for line in lines for part in folded(line, columns))]
