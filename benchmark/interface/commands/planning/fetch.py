"""`exitbench fetch`: models and data of the hub, brought to this machine ahead of a run."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmark.errors import CannotRun, ExitBenchError, InputError, told
from benchmark.inputs.packaged import LOCAL_RESULTS, model_file
from benchmark.messages import printable

if TYPE_CHECKING:
    from benchmark.inputs.model_entry import ModelEntry
    from benchmark.inputs.workload_entry import WorkloadEntry
    from benchmark.models.hub import Hub

_SHARED = ("--model-file", "--shard", "--workload", "--workload-file", "--dtype", "--device")


def add(commands: Any) -> None:
    """Add the command to those of `exitbench`."""
    from benchmark.interface.option_table import OPTIONS

    parser = commands.add_parser(
        "fetch",
        help="download models and data ahead of a run",
        description="Download models of the hub, and the data of workloads, so that runs need no network. Named models "
        "are fetched whether or not this machine could run them; without names, those that `exitbench plan` says can "
        "run here. What is here is not fetched again, what broke off is taken up, and two processes fetch nothing "
        "twice. Exit code 1 when anything could not be had.",
        allow_abbrev=False,
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help="exact name or glob of an entry of the model file")
    for name in _SHARED:
        parser.add_argument(name, **OPTIONS[name])
    parser.set_defaults(run=_fetch)


def _fetch(options: argparse.Namespace) -> int:
    from benchmark.inputs.catalog import asked_workloads
    from benchmark.inputs.model_entry import load_models
    from benchmark.inputs.selection import in_shard, select

    file = model_file(options.model_file)
    models = select(load_models(file), options.models, "fetch", str(file))
    if options.shard is not None:
        models = in_shard(models, options.shard)
    workloads = asked_workloads(options.workload_file, options.workload)

    # Only now, because torch and transformers take seconds, and a mistyped name is told by then.
    from benchmark.models.hub import Hub

    hub = Hub(download=True)
    if not options.models:
        models = _that_could_run(models, options)
    brought = [_brought(entry.name, partial(_bring_model, entry, hub)) for entry in models]
    brought += [_brought(workload.name, partial(_bring_data, workload, hub)) for workload in workloads]
    return int(not all(brought))


def _that_could_run(models: "Sequence[ModelEntry]", options: argparse.Namespace) -> "list[ModelEntry]":
    """Return the models of the hub that are here, or that could run here once they are.

    Raises:
        InputError: there is none.
    """
    from benchmark.cases.planning.plan import plan
    from benchmark.inputs.settings import CaptureSettings
    from benchmark.models import hardware

    settings = CaptureSettings(device=hardware.choose_device(options.device).type, dtype=options.dtype)
    plans = plan(models, [], settings, LOCAL_RESULTS)
    fit = {planned.name for planned in plans if planned.missing is None or planned.waits_for_download}
    chosen = [entry for entry in models if entry.name in fit and entry.id is not None]
    if not chosen:
        raise InputError("fetch: no model of the hub could run here; name those to fetch for another machine")
    return chosen


def _bring_model(entry: "ModelEntry", hub: "Hub") -> bool:
    from benchmark.models.fetch import fetch, on_this_machine

    if on_this_machine(entry, hub):
        return False
    _say(f"{entry.name}: fetching")
    fetch(entry, hub)
    return True


def _bring_data(workload: "WorkloadEntry", hub: "Hub") -> bool:
    from benchmark.cases.resources import Resources

    try:
        Resources().prompts(workload, workload.prompts)
        return False
    except CannotRun:
        _say(f"{workload.name}: fetching")
        Resources(hub).prompts(workload, workload.prompts)
        return True


def _brought(name: str, bring: Callable[[], bool]) -> bool:
    """Say what came of bringing something, which returns whether it had to be fetched; returns whether it is here."""
    begun = perf_counter()
    try:
        fetched = bring()
    except ExitBenchError as error:
        print(printable(f"{name}: {told(error)}"), file=sys.stderr, flush=True)
        return False
    _say(f"{name}: fetched in {perf_counter() - begun:.0f} s" if fetched else f"{name}: here already")
    return True


def _say(line: str) -> None:
    print(printable(line), flush=True)
