"""Which tests are of cases: made from those that ask for one, and left away where they cannot run here."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from benchmark.interface.session.pytest_session import Combination, MeasuringSession, Variant


def measures(item: pytest.Item) -> bool:
    """Return whether a test asks for a case."""
    return "case" in getattr(item, "fixturenames", ())


def variant_of(params: dict[str, Any]) -> "Variant":
    """Return which of the cases of its study a test is of."""
    return params.get("gated") or params.get("clock")


def parametrize(metafunc: pytest.Metafunc, session: "MeasuringSession | None") -> None:
    """Make a test of every (model, workload) of one that asks for a case; none without a session."""
    decoding, timing = "gated" in metafunc.fixturenames, "clock" in metafunc.fixturenames
    models = session.models if session else []
    workloads = session.workloads if session else []
    if session and decoding:
        workloads = session.decoded_workloads
    if session and timing:
        workloads = session.timed_workloads
    # Of module scope, so that pytest brings together all cases of a model in a file of `suites/`. The first file that
    # runs measures; the others find the rows there, and load no model.
    metafunc.parametrize("model", models, ids=[model.name for model in models], indirect=True, scope="module")
    metafunc.parametrize("workload", workloads, ids=[workload.name for workload in workloads])
    if decoding:
        rules = session.decodings if session else []
        metafunc.parametrize("gated", rules, ids=[one.title for one in rules])
    if timing:
        clocks = session.clocks if session else []
        metafunc.parametrize("clock", clocks, ids=[one.title for one in clocks])


def combinations(items: Iterable[pytest.Item]) -> "list[Combination]":
    """Return the cases that tests are of, each once."""
    found = {}
    for item in items:
        if (one := _combination(item)) is not None:
            found[_key(one)] = one
    return list(found.values())


def left_away(session: "MeasuringSession", items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests of other studies than those asked for, and those whose case cannot run here."""
    if not session.models:  # of a shard that has none; pytest keeps a test with no parameters
        return [item for item in items if measures(item)]
    asked = [item for item in items if measures(item) and _study(item) in session.studies]
    cannot = {_key(one) for one in combinations(asked) if session.refused(*one) is not None}
    kept = {item for item in asked if (one := _combination(item)) is None or _key(one) not in cannot}
    return [item for item in items if measures(item) and item not in kept]


def note_experiments(session: "MeasuringSession", items: Iterable[pytest.Item]) -> None:
    """Learn which experiments of somebody's own the modules of tests declare.

    Raises:
        InputError: they clash with others.
    """
    from benchmark.results.suites import experiments_in, refuse_clashes

    modules = {item.module for item in items if isinstance(item, pytest.Function) and measures(item)}
    for module in sorted(modules, key=lambda module: str(module.__file__)):
        if own := [experiment for experiment in experiments_in(module) if experiment not in session.own]:
            session.own += own
            session.suites.append(Path(str(module.__file__)))
    refuse_clashes(session.own)


def _combination(item: pytest.Item) -> "Combination | None":
    """The case that a test is of. Of a study that has no workload here, pytest keeps a test with no parameters."""
    from benchmark.inputs.workload_entry import WorkloadEntry  # which takes a second, and other sessions have no case

    params = item.callspec.params if measures(item) and hasattr(item, "callspec") else {}
    if not isinstance(params.get("workload"), WorkloadEntry):
        return None
    return params["model"], params["workload"], variant_of(params)


def _key(case: "Combination") -> "tuple[str, str, Variant]":
    model, workload, variant = case
    return model.name, workload.name, variant


def _study(item: pytest.Item) -> str:
    fixtures = getattr(item, "fixturenames", ())
    return "clock" if "clock" in fixtures else "decoding" if "gated" in fixtures else "oracle"
