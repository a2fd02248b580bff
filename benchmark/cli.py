"""`exitbench`: what is not a test run."""

import argparse
import sys
from pathlib import Path

import torch

from benchmark import hardware
from benchmark.errors import ExitBenchError
from benchmark.hub import Hub
from benchmark.selection import select
from benchmark.sources import Machine, locate
from benchmark.specs import ModelSpec, load_models

PAGE = Path(__file__).parent.parent / "docs" / "architectures.md"


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; returns the exit code. Our own errors become one line on standard error and 1."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except ExitBenchError as error:
        print("\n".join([f"exitbench: {error}", *getattr(error, "__notes__", [])]), file=sys.stderr)
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="exitbench",
        description="How much can early exit gain on a model? Measuring is done by pytest: "
        "pytest suites/ --model-file models.yaml",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    doctor = commands.add_parser(
        "doctor",
        help="load a model and show what the harness finds in it, without measuring",
        description="Load one entry of the model file and print its layers, its readout, what a token costs, and "
        "whether the proof holds. Exit code 1 when the model cannot be loaded or not be proven.",
    )
    doctor.add_argument("model", metavar="MODEL", help="name of the entry")
    doctor.add_argument(
        "--model-file", type=Path, default=Path("models.yaml"), metavar="FILE", help="default: models.yaml"
    )
    doctor.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), help="default: the entry's")
    doctor.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto", help="default: CUDA when there")
    doctor.add_argument("--download", action="store_true", help="fetch the model if it is not on this machine")
    doctor.add_argument("--trust-remote-code", action="store_true", help="let the entry's repository run its own code")
    doctor.set_defaults(run=_doctor)

    architectures = commands.add_parser(
        "architectures",
        help="try every model type of the installed transformers and write docs/architectures.md",
        description="Build a tiny random model of every type, find its layers and prove its readout.",
    )
    architectures.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when the page is not what this run gives"
    )
    architectures.set_defaults(run=_architectures)
    return parser


def _doctor(options: argparse.Namespace) -> int:
    # Imported here: loading transformers' model classes takes seconds, and `--help` should not.
    from benchmark.doctor import report
    from benchmark.loading import load

    specs: list[ModelSpec] = load_models(options.model_file)
    (spec, *_) = select(specs, [options.model], "doctor", str(options.model_file))
    machine = Machine(hardware.choose_device(options.device), options.dtype, options.trust_remote_code)
    source = locate(spec, Hub(options.download), machine)
    print(f"{spec.name}: {source.label}, {source.revision}")
    for line in report(load(spec, source, machine)):
        print(line)
    return 0


def _architectures(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from benchmark.survey import page, passed_on, same, survey

    torch.set_num_threads(1)  # the models are too small to share
    new = page(list(tqdm(survey(), unit=" types", disable=None)))
    if not options.check:
        PAGE.write_text(new, encoding="utf-8")
        print(f"wrote {PAGE}: {len(passed_on(new))} types can be measured")
        return 0
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    for title, model_type in sorted(passed_on(old) - passed_on(new)):
        print(f"{title}: {model_type} passed before and no longer does", file=sys.stderr)
    if not same(new, old):
        print(f"{PAGE} is out of date; run: exitbench architectures", file=sys.stderr)
        return 1
    print(f"{PAGE} is up to date: {len(passed_on(new))} types can be measured")
    return 0
