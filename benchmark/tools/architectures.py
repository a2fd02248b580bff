"""Which model types can be measured: an actual run over every type the installed transformers can build tiny.

The outcome is the page `docs/architectures.md`, which is checked against a new run whenever the project is tested.
"""

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import torch
import transformers

from benchmark.decoding.prepare import prepare
from benchmark.errors import MeasurementError
from benchmark.models.tasks import runs_as
from benchmark.readout.proof import dissect
from benchmark.tools.tiny_models import CannotBuild, model_types, tiny_model, tiny_tokenizer
from benchmark.trace.costs import Task, architecture

_IDS = torch.arange(3, 10)[None]
_TITLES: dict[Task, str] = {
    "causal": "Causal language models",
    "encoder-decoder": "Encoder-decoder models",
    "masked": "Encoder models, at masked positions",
}


@dataclass(frozen=True)
class SurveyedType:
    """What came of one model type."""

    task: Task
    model_type: str
    kind: str = ""
    layers: int | None = None
    stack: str = ""
    seam: str = ""
    batches: str = ""
    """How prompts may share a batch: `padded`, at `equal length` only, or not at all, `one by one`."""
    verdict: str = "exact"
    """`exact` when every exit's logits equal the model's with the later layers passed through, to the last bit;
    `within …` when they equal it within rounding; else why the type is refused or was not tried."""

    @property
    def passed(self) -> bool:
        """Whether models of this type can be measured."""
        return self.verdict.startswith(("exact", "within"))


def survey(tasks: Iterable[Task] = get_args(Task)) -> Iterator[SurveyedType]:
    """Build a tiny random model of every type, find its layers, and prove the readout of every exit."""
    transformers.logging.set_verbosity_error()
    for task in tasks:
        for model_type in model_types(task):
            with warnings.catch_warnings(action="ignore"):
                yield _examine(task, model_type)


def _examine(task: Task, model_type: str) -> SurveyedType:
    try:
        model = tiny_model(model_type, task)
    except CannotBuild as error:
        return SurveyedType(task, model_type, verdict=f"not tried: {_plain(error)}")
    mode = runs_as(task, model)
    try:
        anatomy, _, worst = dissect(model, mode, _IDS, every_layer=True)
        loaded = prepare(model, tiny_tokenizer(), mode)
    except MeasurementError as error:
        return SurveyedType(task, model_type, verdict=f"refused: {_plain(error)}")
    return SurveyedType(
        task,
        model_type,
        kind=architecture(mode, loaded.costs) if loaded.costs else "",
        layers=anatomy.num_layers,
        batches="one by one" if not loaded.batchable else "equal length" if loaded.recurrent else "padded",
        stack=anatomy.stack_path,
        seam=anatomy.seam_path,
        verdict="exact" if worst == 0 else f"within {worst:.0e}",
    )


def page(surveyed: Sequence[SurveyedType]) -> str:
    """Return what was surveyed, as Markdown."""
    lines = [
        "# Which architectures can be measured",
        "",
        f"Every model type that transformers {transformers.__version__} lists, built as a tiny random model, watched",
        "for one forward pass and put to the proof: `exact` means that at every exit the readout's logits equal, to",
        "the last bit, those of the model's own forward pass with the later layers passed through, and that decoding",
        "with every exit read out writes what `generate` writes. What cannot be proven is refused, and so is a real",
        "model of that type. `batches` says how prompts may be decoded together without one changing what is read of",
        "another. Made by `exitbench architectures`; do not edit.",
    ]
    for task, title in _TITLES.items():
        rows = [one for one in surveyed if one.task == task]
        passed = sum(one.passed for one in rows)
        lines += ["", f"## {title}: {passed} of {len(rows)}", ""]
        lines += ["| type | kind | layers | stack | seam | batches | verdict |", "|---|---|---|---|---|---|---|"]
        for row in rows:
            paths = [f"`{path}`" if path else "" for path in (row.stack, row.seam)]
            cells = [row.model_type, row.kind, str(row.layers or ""), *paths, row.batches, row.verdict]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def same(one: str, other: str) -> bool:
    """Whether two pages say the same, but for rounding that differs between processors."""
    return re.sub(r"within \S+", "exact", one) == re.sub(r"within \S+", "exact", other)


def passed_on(text: str) -> set[tuple[str, str]]:
    """(task title, model type) of every row of a page that passed."""
    found, title = set(), ""
    for line in text.splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ").partition(":")[0]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 7 and cells[-1].startswith(("exact", "within")):
            found.add((title, cells[0]))
    return found


def _plain(error: Exception) -> str:
    """The message in one table cell: no separators, and no figures that differ between processors."""
    text = " ".join(str(error).split()).partition("; ")[0].replace("|", "/")
    return re.sub(r",? (which holds it for worse )?by [0-9.e+-]+ of the largest logit", "", text)[:160]
