"""The commands that measure a line again."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.settings import DEFAULT_BATCH_SIZE
from benchmark.report.board.lines import Line
from benchmark.results.audit.origins import taken_of
from benchmark.results.row import Row
from benchmark.trace.sample import SAMPLE, TOP_K

_DEFAULTS = {
    "--dtype": "auto",
    "--batch-size": str(DEFAULT_BATCH_SIZE),
    "--seed": "0",
    "--top-k": str(TOP_K),
    "--sample": str(SAMPLE),
    "--signals": "sample",
    "--alpha": "0.5",
}
"""What an option is when nobody gives it."""


def commands(lines: Sequence[Line]) -> list[str]:
    """Return for every line what to type to measure its rows again; one command for rows that were asked for alike."""
    tokens = {entry.name: entry.max_new_tokens for entry in load_workloads()}
    return ["\n".join(_of_line(line, tokens)) for line in lines]


def _of_line(line: Line, tokens: Mapping[str, int]) -> Iterator[str]:
    workloads: dict[tuple[str, ...], list[str]] = {}
    for entry in line.counted.values():
        workloads.setdefault(tuple(_options(entry.row, tokens)), []).append(entry.row.workload)
    for options, names in workloads.items():
        asked = ["--model", line.newest.model, *(word for name in names for word in ("--workload", name))]
        ranks = next(entry.row.ranks for entry in line.counted.values() if entry.row.workload == names[0])
        launcher = ["torchrun", "--standalone", f"--nproc-per-node={ranks}", "-m"] if ranks else []
        yield shlex.join([*launcher, "pytest", "suites/", "--study", "oracle", *asked, *options])


def _options(row: Row, tokens: Mapping[str, int]) -> Iterator[str]:
    """Yield the options that a row was measured with, where they are not the default."""
    given: dict[str, Any] = {
        "--device": row.device,
        "--dtype": row.dtype_asked,
        "--batch-size": row.batch_size_asked,
        "--max-new-tokens": row.max_new_tokens,
        "--seed": row.seed,
        "--top-k": row.top_k,
        "--sample": "all" if row.sample_asked is None else row.sample_asked,
        "--signals": row.signals_asked,
        "--engine": row.engine_asked,
        "--alpha": f"{row.alpha:g}",
        "--limit": taken_of(row) if row.limited else None,
    }
    defaults = {**_DEFAULTS, "--max-new-tokens": str(tokens.get(row.workload))}
    for option, value in given.items():
        if value is not None and str(value) != defaults.get(option):
            yield from (option, str(value))
    if (row.source or "").startswith("hub:"):
        yield "--download"
    if row.trust_remote_code:
        yield "--trust-remote-code"
