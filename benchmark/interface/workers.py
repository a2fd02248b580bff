"""Sessions of several processes (pytest-xdist): a model belongs to one of them, and the session hears what each did."""

from collections.abc import Sequence
from typing import Any

import pytest

from benchmark.errors import CannotRun
from benchmark.interface.pytest_session import Ended


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
