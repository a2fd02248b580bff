"""`exitbench plan`: what would be measured here."""

import argparse
import json
from typing import Any

from benchmark.interface.commands.folders import tell_of_others

_SHARED = (
    *("--model-file", "--model", "--shard", "--workload", "--workload-file", "--study", "--gate", "--policy"),
    *("--check-every", "--min-exit-layer", "--limit", "--max-new-tokens", "--batch-size", "--dtype", "--device"),
    *("--results-dir", "--trust-remote-code", "--top-k", "--sample", "--signals", "--engine", "--seed"),
)
_STUDIES = ("oracle", "decoding")


def add(commands: Any) -> None:
    """Add the command to those of `exitbench`."""
    from benchmark.interface.option_table import OPTIONS

    parser = commands.add_parser(
        "plan",
        help="what would be measured here: what can run, what is missing, what is done",
        description="Show which models can run on which workloads here, the largest first, how much memory and disk "
        "they take, about how long, what is missing, and what the results folder has already: of a run with the same "
        "options. Nothing is loaded and nothing is downloaded.",
        allow_abbrev=False,
    )
    for name in _SHARED:
        settings = {**OPTIONS[name], "choices": _STUDIES} if name == "--study" else OPTIONS[name]
        parser.add_argument(name, **settings)
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--names", action="store_true", help="print only the names of models that can run here, one a line"
    )
    form.add_argument("--json", action="store_true", help="print JSON: sizes in bytes, times in seconds")
    parser.set_defaults(run=_plan)


def _plan(asked: argparse.Namespace) -> int:
    from benchmark.interface.options import Options
    from benchmark.interface.session.opening import asked_for

    options = Options.among(vars(asked))
    models, workloads = asked_for(options)

    # Only now, because torch and transformers take seconds, and a mistyped name is told by then.
    from benchmark.cases.planning.plan import biggest_first, plan
    from benchmark.interface.commands.planning.text import as_data, as_text
    from benchmark.interface.option_table import capture_settings
    from benchmark.models import hardware

    device = hardware.choose_device(options.device)
    settings = capture_settings(options, device.type)
    plans = biggest_first(list(plan(models, options.cells(workloads), settings, options.results_dir)))
    if asked.json:
        print(json.dumps(as_data(plans, device), indent=1, allow_nan=False))
    elif asked.names:
        print("".join(f"{planned.name}\n" for planned in plans if planned.missing is None), end="")
    else:
        print("\n".join(as_text(plans, device)))
        tell_of_others(options.results_dir)
    return 0
