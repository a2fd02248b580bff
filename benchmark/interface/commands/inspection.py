"""The commands that look at models and rows: doctor, findings, recompute, architectures."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmark.errors import InputError
from benchmark.inputs.packaged import MODELS, PACKAGE, model_file
from benchmark.interface.commands.folders import existing, of_checkout, tell_of_others
from benchmark.interface.option_table import OPTIONS
from benchmark.interface.values import fraction, thresholds

_PAGE = PACKAGE.parent / "docs" / "architectures.md"
_PUBLISHED = Path("results/published")


def add(commands: Any) -> None:
    """Add the commands to those of `exitbench`."""
    doctor = commands.add_parser(
        "doctor",
        help="load a model and show what the harness finds in it, without measuring",
        description="Load one entry of the model file and print its layers, its readout, what a token costs, and "
        "whether the proof holds. Exit code 1 when the model cannot be loaded or not be proven.",
        allow_abbrev=False,
    )
    doctor.add_argument("model", metavar="MODEL", help="name of the entry")
    doctor.add_argument("--model-file", type=Path, metavar="FILE", help=f"default: {MODELS}, else the packaged one")
    doctor.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), help="default: the entry's")
    doctor.add_argument("--device", **OPTIONS["--device"])
    doctor.add_argument("--download", action="store_true", help="fetch the model if it is not on this machine")
    doctor.add_argument("--trust-remote-code", action="store_true", help="let the entry's repository run its own code")
    doctor.set_defaults(run=_doctor)

    findings = commands.add_parser(
        "findings",
        help="hold published claims about early exit against a folder of results",
        description="What decides how early a model can exit? Print each published claim with the number that the "
        "rows give for it, its interval over models and the verdict; then how the depth of exits varies between "
        "models, workloads and prompts, and what EAS predicts. Only full runs that can be compared are used; the rest "
        "is counted. How verdicts are made: docs/findings.md.",
        allow_abbrev=False,
    )
    findings.add_argument(
        "folder", nargs="?", type=Path, default=_PUBLISHED, metavar="FOLDER", help=f"of results; default: {_PUBLISHED}"
    )
    findings.add_argument("--json", action="store_true", help="print JSON instead of tables")
    findings.set_defaults(run=_findings)

    recompute = commands.add_parser(
        "recompute",
        help="compute the columns of rows anew from their stored tokens, without a model",
        description="Compute every column that follows from the stored tokens anew, and rewrite the rows in place: "
        "what to do when a definition has changed since they were measured, or to score them with other settings.",
        allow_abbrev=False,
    )
    recompute.add_argument("folder", type=Path, metavar="FOLDER", help="of results, such as results/local")
    recompute.add_argument("--alpha", type=fraction, help="weight of similarity in EAS (default: that of each row)")
    recompute.add_argument(
        "--tau", type=thresholds, metavar="T,T,…", help="thresholds of the tau-oracle (default: those of each row)"
    )
    recompute.add_argument(
        "--suite",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a file with experiments of your own; repeatable",
    )
    recompute.set_defaults(run=_recompute)

    architectures = commands.add_parser(
        "architectures",
        help="try every model type of the installed transformers and write docs/architectures.md",
        description="Build a tiny random model of every type that the installed transformers knows, find its layers, "
        "prove its readout, decode, and write which types can be measured. Takes minutes.",
        allow_abbrev=False,
    )
    architectures.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when the page is not what this run gives"
    )
    architectures.add_argument(
        "--thorough", action="store_true", help="decode prompts of more lengths, and longer texts; takes twice as long"
    )
    architectures.set_defaults(run=_architectures)


def _doctor(options: argparse.Namespace) -> int:
    from benchmark.inputs.model_entry import load_models
    from benchmark.inputs.selection import select

    file = model_file(options.model_file)
    entry, *others = select(load_models(file), [options.model], "doctor", str(file))
    if others:
        names = ", ".join(entry.name for entry in (entry, *others))
        raise InputError(f"doctor '{options.model}' takes {1 + len(others)} entries; name one of them: {names}")

    # Only now, because loading transformers' model classes takes seconds, and a mistyped name is told by then.
    from benchmark.decoding.prepare import load
    from benchmark.interface.commands.doctor import report
    from benchmark.models import hardware
    from benchmark.models.hub import Hub
    from benchmark.models.locate import locate
    from benchmark.models.source import Machine

    machine = Machine(hardware.choose_device(options.device), options.dtype, options.trust_remote_code)
    source = locate(entry, Hub(options.download), machine)
    print(f"{entry.name}: {source.label}, {source.revision}")
    for line in report(load(entry, source, machine)):
        print(line)
    return 0


def _findings(options: argparse.Namespace) -> int:
    existing(options.folder)

    from benchmark.report.findings.claims import findings
    from benchmark.report.findings.text import as_data, as_text

    found = findings(options.folder)
    print(json.dumps(as_data(found), indent=1, allow_nan=False) if options.json else as_text(found))
    return 0


def _recompute(options: argparse.Namespace) -> int:
    existing(options.folder)

    from benchmark.results.recompute import recompute
    from benchmark.results.suites import load_suites

    count = 0
    for path in recompute(options.folder, load_suites(options.suite), options.alpha, options.tau):
        print(path)
        count += 1
    print(f"rows rewritten: {count}")
    tell_of_others(options.folder)
    return 0


def _architectures(options: argparse.Namespace) -> int:
    of_checkout(_PAGE)

    import torch
    from tqdm import tqdm

    from benchmark.tools.architectures import differences, page, passed_on, survey

    torch.set_num_threads(1)  # the models are too small to share
    new = page(list(tqdm(survey(thorough=options.thorough), unit=" types", disable=None)))
    if not options.check:
        _PAGE.write_text(new, encoding="utf-8")
        print(f"wrote {_PAGE}: {len(passed_on(new))} types can be measured")
        return 0
    old = _PAGE.read_text(encoding="utf-8") if _PAGE.exists() else ""
    for title, model_type in sorted(passed_on(old) - passed_on(new)):
        print(f"{title}: {model_type} passed before and no longer does", file=sys.stderr)
    if found := differences(old, new):
        print("\n".join(found), file=sys.stderr)
        print(f"{_PAGE} is out of date; run: exitbench architectures", file=sys.stderr)
        return 1
    print(f"{_PAGE} is up to date: {len(passed_on(new))} types can be measured")
    return 0
