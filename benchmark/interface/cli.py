"""`exitbench`: what is not a test run.

Modules are imported where they are used: torch and transformers take seconds, and neither `--help` nor a mistyped
option should.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from benchmark.errors import ExitBenchError, InputError
from benchmark.interface.commands import add_parsers
from benchmark.interface.leaderboard import add_leaderboard
from benchmark.messages import printable

PAGE = Path(__file__).parents[2] / "docs" / "architectures.md"
PUBLISHED = Path("results/published")


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; returns the exit code. Our own errors, and what the system refuses, become one line and 1."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; what Python still holds back at the end must go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ExitBenchError as error:
        _tell("\n".join([str(error), *getattr(error, "__notes__", [])]))
        return 1
    except OSError as error:
        _tell(": ".join(printable(part) for part in (error.filename, error.strerror or error) if part is not None))
        return 1
    return code


def _tell(problem: str) -> None:
    """Print what went wrong, line by line, with nothing in it that a terminal would act on."""
    print("\n".join(printable(line) for line in f"exitbench: {problem}".split("\n")), file=sys.stderr)


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

    findings = commands.add_parser(
        "findings",
        help="hold published claims about early exit against a folder of results",
        description="What decides how early a model can exit? Print each published claim with the number that the "
        "rows give for it, its interval over models and the verdict; then how the depth of exits varies between "
        "models, workloads and prompts, and what EAS predicts. Only full runs that can be compared are used; the rest "
        "is counted. How verdicts are made: docs/findings.md.",
    )
    findings.add_argument(
        "folder", nargs="?", type=Path, default=PUBLISHED, metavar="FOLDER", help=f"of results; default: {PUBLISHED}"
    )
    findings.add_argument("--json", action="store_true", help="print JSON instead of tables")
    findings.set_defaults(run=_findings)

    recompute = commands.add_parser(
        "recompute",
        help="compute the columns of rows anew from their stored tokens, without a model",
        description="Compute every column that follows from the stored tokens anew, and rewrite the rows in place: "
        "what to do when a definition has changed since they were measured.",
    )
    recompute.add_argument("folder", type=Path, metavar="FOLDER", help="of results, such as results/local")
    recompute.set_defaults(run=_recompute)

    add_leaderboard(commands)
    add_parsers(commands)

    architectures = commands.add_parser(
        "architectures",
        help="try every model type of the installed transformers and write docs/architectures.md",
        description="Build a tiny random model of every type that the installed transformers knows, find its layers, "
        "prove its readout, and write which types can be measured. Takes minutes.",
    )
    architectures.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when the page is not what this run gives"
    )
    architectures.set_defaults(run=_architectures)
    return parser


def _doctor(options: argparse.Namespace) -> int:
    from benchmark.inputs.model_entry import load_models
    from benchmark.inputs.selection import select

    spec, *others = select(load_models(options.model_file), [options.model], "doctor:", str(options.model_file))
    if others:
        names = ", ".join(spec.name for spec in (spec, *others))
        raise InputError(f"doctor '{options.model}' takes {1 + len(others)} entries; name one of them: {names}")

    # Only now, because loading transformers' model classes takes seconds, and a mistyped name is known already.
    from benchmark.interface.doctor import report
    from benchmark.models import hardware
    from benchmark.models.hub import Hub
    from benchmark.models.locate import Machine, locate
    from benchmark.models.weights import load

    machine = Machine(hardware.choose_device(options.device), options.dtype, options.trust_remote_code)
    source = locate(spec, Hub(options.download), machine)
    print(f"{spec.name}: {source.label}, {source.revision}")
    for line in report(load(spec, source, machine)):
        print(line)
    return 0


def _findings(options: argparse.Namespace) -> int:
    from benchmark.report.findings.claims import findings
    from benchmark.report.findings.text import as_data, as_text

    found = findings(options.folder)
    print(json.dumps(as_data(found), indent=1, allow_nan=False) if options.json else as_text(found))
    return 0


def _recompute(options: argparse.Namespace) -> int:
    if not options.folder.is_dir():
        raise InputError(f"{options.folder}: no such folder; name a folder of results, such as results/local")

    from benchmark.results.recompute import recompute
    from benchmark.results.versions import remark

    count = 0
    for path in recompute(options.folder):
        print(path)
        count += 1
    print(f"rows rewritten: {count}")
    if (others := remark(options.folder)) is not None:
        print(others, file=sys.stderr)
    return 0


def _architectures(options: argparse.Namespace) -> int:
    import torch
    from tqdm import tqdm

    from benchmark.tools.architectures import page, passed_on, same, survey

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
