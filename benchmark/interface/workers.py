"""Sessions of several processes (pytest-xdist): a model belongs to one of them, and the session hears what each did."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import CannotRun

Names = tuple[str, str, str]
"""Of a model and a workload, and the title of the variant; empty in the study of the oracle."""


@dataclass
class Ended:
    """What a session leaves: plain data, so that processes of one session can tell each other."""

    rows: dict[Names, str] = field(default_factory=dict)
    """Files of the rows that the session has, measured now or read."""
    measured: set[Names] = field(default_factory=set)
    """Cases that were measured now."""
    cannot_run: dict[str, CannotRun] = field(default_factory=dict)
    """Models and workloads that cannot run here, and why."""
    table: str = ""
    """Why the folder's table could not be written, if so."""

    def has_rows(self) -> bool:
        """Return whether any of its cases has a row."""
        return any(Path(path).exists() for path in self.rows.values())


def scheduler(config: pytest.Config, log: Any, models: Sequence[str]) -> Any:
    """Return a scheduler of pytest-xdist that gives all cases of a model to one process."""
    from xdist.scheduler import LoadScopeScheduling

    longest_first = sorted(models, key=len, reverse=True)

    class ByModel(LoadScopeScheduling):
        """One scope is one model; other tests have the scope of their file."""

        def _split_scope(self, nodeid: str) -> str:
            # A folder may have brackets in its name, too.
            file, _, test = nodeid.partition(".py::")
            case = test.partition("[")[2]
            named = (model for model in longest_first if case.startswith(f"{model}-"))
            return next(named, file)

    return ByModel(config, log)


def packed(ended: Ended) -> dict[str, Any]:
    """Return what a process has done, in types that pass from process to process."""
    return {
        "rows": [[*names, path] for names, path in ended.rows.items()],
        "table": ended.table,
        "measured": [list(names) for names in ended.measured],
        "cannot_run": {
            name: [error.reason, error.remedy, error.detail, error.setting] for name, error in ended.cannot_run.items()
        },
    }


def unpacked(data: dict[str, Any]) -> Ended:
    """Return what `packed` was given."""
    return Ended(
        rows={(model, workload, rule): path for model, workload, rule, path in data["rows"]},
        measured={(model, workload, rule) for model, workload, rule in data["measured"]},
        table=data["table"],
        cannot_run={name: CannotRun(*parts) for name, parts in data["cannot_run"].items()},
    )
