"""`exitbench grid`: many models on the nodes of a Ray cluster."""

import argparse
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from benchmark.interface.values import positive

if TYPE_CHECKING:
    from benchmark.grid.driver import Counts
    from benchmark.grid.work import GridSettings
    from benchmark.inputs.model_entry import ModelEntry
    from benchmark.inputs.workload_entry import Cell
    from benchmark.interface.terminal.grid_status import GridStatus

_SHARED = (
    *("--model-file", "--model", "--workload", "--workload-file", "--gate", "--policy", "--check-every"),
    *("--min-exit-layer", "--limit", "--max-new-tokens", "--batch-size", "--dtype", "--device", "--results-dir"),
    *("--download", "--trust-remote-code", "--allow-code-execution", "--top-k", "--sample", "--signals", "--engine"),
    "--seed",
)
_MOST_REASONS = 8
_NOTHING_RAN = 5
"""Exit code where nothing could run, as pytest has it."""


def add(commands: Any) -> None:
    """Add the command to those of `exitbench`."""
    from benchmark.interface.option_table import OPTIONS

    parser = commands.add_parser(
        "grid",
        help="measure many models on the nodes of a Ray cluster",
        description="Measure models on workloads, on the nodes of a Ray cluster: a model goes to one process of one "
        "node, with all its workloads. Rows are those of exitbench run, and what is on disk is not measured again. "
        "Needs the extra ray: pip install 'exitbench[ray]'. How clusters are started: docs/grid.md.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of a cluster that is there, one of whose nodes is this machine (default: start one on this machine, for "
        "this command alone)",
    )
    parser.add_argument(
        "--cpus",
        type=positive,
        metavar="N",
        help="CPUs, and threads, of a model (default: 4, or all where there are fewer; on GPU nodes its share of them)",
    )
    parser.add_argument(
        "--study",
        choices=("oracle", "decoding"),
        help="only one of them (default: both; decoding, unless --workload names others, on the few that take minutes)",
    )
    for name in _SHARED:
        parser.add_argument(name, **OPTIONS[name])
    parser.set_defaults(run=_grid)


def _grid(asked: argparse.Namespace) -> int:
    from benchmark.grid.cluster import cluster, require
    from benchmark.grid.work import GridSettings
    from benchmark.inputs.packaged import model_file
    from benchmark.interface.option_table import capture_settings
    from benchmark.interface.options import Options
    from benchmark.interface.session.opening import asked_for
    from benchmark.interface.terminal.grid_status import GridStatus
    from benchmark.results.store import Store

    require()
    options = Options.among(vars(asked) | _with_whole_paths(asked, model_file(asked.model_file)))
    entries, workloads = asked_for(options)
    cells = options.cells(workloads)
    store = Store(options.results_dir)
    store.check_writable()
    everywhere = GridSettings(capture_settings(options, "cpu"), options.device, options.download, options.results_dir)
    status = GridStatus(sys.stdout)
    with cluster(asked.address):
        signal.signal(signal.SIGTERM, _stop)  # Ray has one of its own, which tells nobody
        try:
            return _run(entries, cells, everywhere, status, asked.cpus)
        finally:
            status.end()


def _run(
    entries: "list[ModelEntry]", cells: "list[Cell]", asked: "GridSettings", status: "GridStatus", cpus: int | None
) -> int:
    from benchmark.grid.driver import Driver
    from benchmark.grid.nodes import nodes_there
    from benchmark.grid.placement import refusal
    from benchmark.results.store import Store

    status.tell("exitbench: looking at the nodes")
    nodes = nodes_there(entries, cells, asked, cpus, status.tell)
    for node in nodes:
        rows = "" if node.sees_results else "; it does not see the results folder, so rows are sent"
        status.tell(f"node {node.name}: {node.whole.cpus:g} CPUs, {node.whole.gpus:g} GPUs{rows}")
    able = []
    for entry in entries:
        if (reason := refusal(entry.name, nodes, cpus)) is None:
            able.append(entry)
        else:
            status.tell(f"{entry.name}: cannot run on any node: {reason}")
    store = Store(asked.results)
    driver = Driver(able, cells, nodes, asked, status, cpus)
    try:
        return _exit_code(driver.run())
    finally:
        status.end()
        for line in _summary(driver.counts(), status.cannot, asked):
            status.tell(line)
        if any(asked.results.glob("*/*/*.json")):
            store.write_table()


def _summary(counts: "Counts", cannot: Counter[str], asked: "GridSettings") -> list[str]:
    lines = [f"{count} cannot run: {reason}" for reason, count in cannot.most_common(_MOST_REASONS)]
    if len(cannot) > _MOST_REASONS:
        lines.append(f"and {cannot.total() - sum(dict(cannot.most_common(_MOST_REASONS)).values())} for other reasons")
    ended = ", ".join(f"{count} {outcome}" for outcome, count in counts.outcomes.items()) or "nothing was measured"
    lines.append(f"{ended}, in {asked.results} (table.csv: all rows there)")
    if counts.ended < counts.total:
        lines.append(f"interrupted: {counts.ended} of {counts.total} cases ended; run the same command to go on")
    return lines


def _exit_code(counts: "Counts") -> int:
    from benchmark.grid.work import CellOutcome

    if counts.outcomes[CellOutcome.FAILED]:
        return 1
    return 0 if counts.outcomes[CellOutcome.MEASURED] or counts.outcomes[CellOutcome.BEFORE] else _NOTHING_RAN


def _with_whole_paths(asked: argparse.Namespace, file: Any) -> dict[str, Any]:
    """Paths as nodes can use them, which work in folders of their own."""
    return {
        "model_file": file.absolute(),
        "workload_file": [path.absolute() for path in asked.workload_file],
        "results_dir": asked.results_dir.absolute(),
    }


def _stop(number: int, _: object) -> None:
    """End as Ctrl-C does."""
    signal.signal(number, signal.SIG_IGN)  # once is enough
    raise KeyboardInterrupt
