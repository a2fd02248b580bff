"""`exitbench sweep`: how much a gate may skip before answers suffer, by running its thresholds."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from benchmark.errors import InputError, MeasurementError, told
from benchmark.inputs.packaged import model_file
from benchmark.inputs.settings import POLICIES, GatedSettings, GateName

if TYPE_CHECKING:
    from benchmark.inputs.model_entry import ModelEntry
    from benchmark.inputs.workload_entry import WorkloadEntry
    from benchmark.results.row import Row

_SHARED = (
    *("--model-file", "--workload", "--workload-file", "--limit", "--max-new-tokens", "--batch-size", "--dtype"),
    *("--device", "--results-dir", "--download", "--trust-remote-code", "--check-every", "--min-exit-layer", "--seed"),
)
_TARGETED = ("oracle", "learned")


def add(commands: Any) -> None:
    """Add the command to those of `exitbench`."""
    from benchmark.interface.option_table import OPTIONS

    parser = commands.add_parser(
        "sweep",
        help="run thresholds of a gate until it is known how much may be skipped at 1 %% and 5 %% loss",
        description="Decode the prompts of graded workloads with one threshold of a gate after the other, until the "
        "largest skip ratio within 1 % and 5 % loss of score is bracketed. Every threshold is a row of the decoding "
        "study; what is on disk is not run again.",
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", help="name of an entry of the model file")
    gates = [name for name in get_args(GateName) if name not in _TARGETED]
    parser.add_argument("--gate", choices=gates, default="margin", help="default: margin")
    parser.add_argument("--policy", choices=POLICIES, default="propagate", help="default: propagate")
    for name in _SHARED:
        parser.add_argument(name, **OPTIONS[name])
    parser.set_defaults(run=_sweep)


def _sweep(options: argparse.Namespace) -> int:
    from benchmark.inputs.catalog import load_workloads
    from benchmark.inputs.model_entry import load_models
    from benchmark.inputs.selection import select

    file = model_file(options.model_file)
    entry, *others = select(load_models(file), [options.model], "sweep", str(file))
    if others:
        raise InputError(f"sweep '{options.model}' takes {1 + len(others)} entries; name one of them")
    workloads = select(load_workloads(options.workload_file), options.workload, "--workload", "the workloads")
    if not options.workload:
        workloads = [workload for workload in workloads if workload.right_or_wrong]
    return _run(options, entry, workloads)


def _run(options: argparse.Namespace, entry: "ModelEntry", workloads: "list[WorkloadEntry]") -> int:
    # Only now, because torch and transformers take seconds, and a mistyped name is told by then.
    from benchmark.cases.identity import machine_of, refuse_streamed
    from benchmark.cases.job import Job, run_job
    from benchmark.cases.resources import Resources
    from benchmark.cases.studies.sweep import Scale, sweep
    from benchmark.interface.option_table import capture_settings
    from benchmark.metrics.scoring import Scoring
    from benchmark.models import hardware
    from benchmark.models.hub import Hub
    from benchmark.report.tradeoff import as_text, tradeoffs
    from benchmark.results.row import Row
    from benchmark.results.store import Store

    capture = capture_settings(options, hardware.choose_device(options.device).type)
    refuse_streamed(entry)
    store, resources = Store(Path(options.results_dir)), Resources(Hub(options.download), print)
    store.check_writable()
    found: list[Row] = []
    failed = 0
    for workload in workloads:

        def run(threshold: float, workload: "WorkloadEntry" = workload) -> Row:
            gated = GatedSettings(
                options.gate, threshold, None, options.policy, options.check_every, options.min_exit_layer
            )
            job = Job(entry, workload, capture, Scoring(seed=options.seed), gated=gated)
            return run_job(job, store, resources=resources)

        try:
            layers = resources.model(entry, machine_of(capture)).anatomy.num_layers
            scale = Scale(options.gate, layers, options.min_exit_layer, options.check_every)
            for row in sweep(scale, run):
                found.append(row)
                print(_line(row), flush=True)
        except MeasurementError as error:
            failed += 1
            print(f"{entry.name} × {workload.name}: {told(error)}", flush=True)
    store.write_table()
    if trades := tradeoffs(found):
        print(f"\n{as_text(trades)}\n\nrows: {store.folder}")
    return int(bool(failed))


def _line(row: "Row") -> str:
    loss = "unknown" if row.score_loss is None else f"{row.score_loss:.1%}"
    return (
        f"{row.model} × {row.workload}: {row.gate}={row.threshold_asked:g}: skipped {row.skip_ratio:.3f}, "
        f"score {row.score or 0:.3f} of {row.score_full or 0:.3f}, loss {loss}"
    )
