"""`exitbench choices`: of a multiple-choice task, which layer already prefers the right answer."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import InputError
from benchmark.inputs.packaged import MODELS
from benchmark.interface.option_table import OPTIONS
from benchmark.interface.values import positive
from benchmark.messages import printable

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES = (".csv", ".json")


def add(commands: Any) -> None:
    """Add the command to those of `exitbench`."""
    choices = commands.add_parser(
        "choices",
        help="of a multiple-choice task of lm-eval, which layer already prefers the right answer",
        description="Ask a multiple-choice task of lm-evaluation-harness, and print for every layer the share of "
        "questions whose right answer that layer's readout prefers, with the 95 % interval over questions, by the "
        "metrics of the task: acc by the sum of log-probabilities, acc_norm by that over the length of the answer. The "
        "last layer is the full model. Needs: pip install 'exitbench[lm-eval]'",
        allow_abbrev=False,
    )
    choices.add_argument("model", metavar="MODEL", help="name of an entry, hub id, folder or GGUF file")
    choices.add_argument("task", metavar="TASK", help="what lm-eval calls the task, such as arc_easy")
    choices.add_argument("--include-path", type=Path, metavar="DIR", help="folder with task files of your own")
    choices.add_argument("--limit", type=positive, metavar="N", help="first N questions (default: all)")
    choices.add_argument("--chat", action="store_true", help="put questions through the model's chat template")
    choices.add_argument("--output", type=Path, metavar="FILE", help="write the table to a .csv or .json file as well")
    choices.add_argument("--model-file", type=Path, metavar="FILE", help=f"default: {MODELS}, else the packaged one")
    choices.add_argument("--batch-size", type=positive, default=16, metavar="N", help="choices run together (16)")
    choices.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), help="default: the entry's")
    choices.add_argument("--device", **OPTIONS["--device"])
    choices.add_argument("--download", action="store_true", help="fetch model and data that are not on this machine")
    choices.add_argument("--trust-remote-code", action="store_true", help="let the entry's repository run its own code")
    choices.set_defaults(run=_choices)


def _choices(options: argparse.Namespace) -> int:
    from benchmark.inputs.data.lm_eval_library import TaskPlace, require

    require()
    output: Path | None = options.output
    if output is not None and output.suffix not in _SUFFIXES:
        raise InputError(f"--output: {printable(output)} is neither .csv nor .json")
    if output is not None and not output.parent.is_dir():
        raise InputError(f"--output: no folder {printable(output.parent)}; make it first")

    from benchmark.cases.lm_eval.choices import measure_choices
    from benchmark.interface.api import load
    from benchmark.metrics.tables.choices import choices_table

    place = TaskPlace(options.task, options.include_path, "choices")
    model = load(
        options.model,
        model_file=options.model_file,
        dtype=options.dtype,
        device=options.device,
        download=options.download,
        trust_remote_code=options.trust_remote_code,
    )
    found = measure_choices(
        model.loaded, place, options.limit, options.chat, options.batch_size, download=options.download
    )
    table = choices_table(found.values)
    questions = len(next(iter(found.values.values()))[0])
    print(f"{model.name} on {place.name} {found.version}, {found.fewshot}-shot, {questions} questions")
    print(table.to_string(index=False, float_format="{:.3f}".format, na_rep="-"))
    if output is not None:
        asked = {"model": model.name, "task": place.name, "version": found.version, "fewshot": found.fewshot}
        _write(output, table, asked | {"questions": questions, "chat": options.chat})
        print(printable(f"wrote {output}"))
    return 0


def _write(output: Path, table: "pd.DataFrame", asked: dict[str, Any]) -> None:
    """Write the table, whole or not at all; what was asked stands in front of its columns, or beside its lines."""
    from benchmark.atomic_files import atomic_file

    if output.suffix == ".csv":
        for place, (name, value) in enumerate(asked.items()):
            table.insert(place, name, value)
        text = table.to_csv(index=False)
    else:
        lines = table.astype(object).where(table.notna(), None).to_dict(orient="records")
        text = json.dumps(asked | {"layers": lines}, indent=1, allow_nan=False) + "\n"
    with atomic_file(output) as draft:
        draft.write_text(text, encoding="utf-8")
