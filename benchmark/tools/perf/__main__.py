"""`python -m benchmark.tools.perf`: one table of what the oracle costs, all in one run."""

import argparse
import sys
from typing import get_args

from benchmark.errors import ExitBenchError
from benchmark.inputs.settings import DEVICES
from benchmark.tools.perf.memory import only_peak
from benchmark.tools.perf.report import report
from benchmark.tools.perf.scaling import scaling
from benchmark.tools.perf.speculation import speculation
from benchmark.tools.perf.subjects import WAYS
from benchmark.trace.sample import SignalsOf

_MODES = {"scaling": scaling, "speculation": speculation}


def main() -> int:
    """Measure and print; our own errors become one line and exit code 1."""
    options = _parser().parse_args()
    try:
        run = only_peak if options.peak_of else _MODES.get(options.mode, report)
        for line in run(options):
            print(line, flush=True)
    except ExitBenchError as error:
        print(f"perf: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.tools.perf",
        description="Time (a) plain generate, (b) the obvious oracle, (c) a case of this project with all its columns, "
        "in alternation, on the same prompts. (b) and (c) must find the same exits.",
    )
    add = parser.add_argument
    add("--model", default="SmolLM2-135M-Instruct", help="entry of models.yaml (default: the embedded one)")
    add("--random-config", metavar="NAME", help="a published shape with random weights instead, such as Llama-3-8B")
    add("--workload", default="humaneval", help="default: humaneval")
    add("--prompts", type=int, default=16, help="default: 16")
    add("--max-new-tokens", type=int, default=64, help="default: 64")
    add("--batch-size", type=int, default=16, help="default: 16")
    add("--dtype", choices=("float32", "bfloat16", "float16"), help="default: the checkpoint's; bfloat16 if random")
    add("--device", choices=("auto", *DEVICES), default="auto", help="default: the accelerator that torch sees")
    add(
        "--signals",
        choices=get_args(SignalsOf),
        default="sample",
        help="whose signals (c) keeps (default: the sample's)",
    )
    add("--rounds", type=int, default=3, help="of (a) and (c) in alternation (default 3); (b) is slow and runs once")
    add("--obvious-tokens", type=int, default=512, help="(b) decodes so many tokens at most (default: 512)")
    add("--without-obvious", action="store_true", help="leave (b) out: it is slow, and takes the memory of all states")
    instead = parser.add_mutually_exclusive_group().add_argument
    for name, what in (
        ("scaling", "time and memory against prompts, tokens, layers, vocabulary"),
        ("speculation", "self-speculation by transformers against the rounds that the trace predicts"),
    ):
        instead(f"--{name}", action="store_const", dest="mode", const=name, help=f"instead: {what}")
    add("--peak-of", choices=WAYS, help="instead: run one of the three once and print its peak of memory, in bytes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
