"""Which model types can be measured: an actual run over every type the installed transformers can build tiny.

The outcome is the page `docs/architectures.md`, which is checked against a new run whenever the project is tested.
"""

import difflib
import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from transformers import PreTrainedModel

from benchmark.anatomy.unchanged import rewritten_tensors, unchanged
from benchmark.clock.proof import prove_deferred
from benchmark.clock.replay import Replay
from benchmark.decoding.buffer import capture
from benchmark.decoding.engine import Limits
from benchmark.decoding.engines.fill_masks import FillMasks
from benchmark.decoding.engines.generate import Greedy
from benchmark.decoding.gated.on_generate import decode_gated
from benchmark.decoding.gated.proof import prove_full_text, prove_policy
from benchmark.decoding.gated.rule import Asks, Glimpses, Rule
from benchmark.decoding.gated.without_cache import decode_without_cache
from benchmark.decoding.prepare import prepare
from benchmark.decoding.proven import capture_proven
from benchmark.errors import MeasurementError
from benchmark.inputs.settings import POLICIES, Policy
from benchmark.models.tasks import runs_as
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.proof import dissect
from benchmark.tools.tiny_models import VOCABULARY, CannotBuild, model_types, tiny_model, tiny_tokenizer
from benchmark.trace.costs import Task, architecture

_IDS = torch.arange(3, 10)[None]
_PROMPTS = [[*range(9, 14)], [*range(40, 47)], [*range(80, 71, -1)]]
"""For gated decoding; as many tokens are decoded as there are prompts."""
_TIMED = 8
"""Tokens of a text that is replayed."""
_USUAL = (1, 20, 200)
_THOROUGH = (1, 2, 7, 9, 17, 40, 130, 200)
"""Lengths of prompts; as many tokens are decoded as there are lengths."""
_TITLES: dict[Task, str] = {
    "causal": "Causal language models",
    "encoder-decoder": "Encoder-decoder models",
    "masked": "Encoder models, at masked positions",
}
_COLUMNS = ("type", "kind", "layers", "stack", "seam", "batches", "policies", "clock", "verdict")
_INTRODUCTION = f"""
Every model type that transformers {transformers.__version__} lists, built as a tiny random model, watched for one
forward pass and put to the proof. `exact` means that at every exit the readout's logits equal, to the last bit, those
of the model's own forward pass with the later layers passed through; that prompts of {_USUAL[0]} to {_USUAL[-1]}
tokens, decoded in a batch with every exit read out, have the tokens and exits of the model's own forward pass over each
text alone; and that the model is left as it was. Windows, sparse indices and stretched contexts are made so small that
the longer texts are beyond them. What cannot be proven is refused, and so is a real model of that type. `batches` says
how prompts may be decoded together without one changing what is read of another, and where decoding with a cache gives
other exits than the model's own forward pass, so that each token takes a pass over its whole text. `policies` are those
that texts can be decoded with whose tokens leave early: with exits at random and with a gate, in a batch, the text is
that of passes over each whole text alone, and where keys and values are copied each layer has its own. `clock` says in
which ways seconds can be told: `replay` of a text with the layers up to each exit, of the texts of a batch each
`alone`, and `deferred` decoding. Made by `exitbench architectures`; do not edit.
"""


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
    """How prompts may share a batch: `padded`, at `equal length` only, or `one by one`; and whether decoding
    uses no cache, because with one it gives other exits than the model's own forward pass."""
    policies: str = ""
    """What deeper layers can be given of tokens that leave early; nothing of encoders, which write no text."""
    clock: str = ""
    """In which ways texts can be timed."""
    verdict: str = "exact"
    """`exact` when every exit's logits equal the model's with the later layers passed through, to the last bit;
    `within …` when they equal it within rounding; else why the type is refused or was not tried."""

    @property
    def passed(self) -> bool:
        """Whether models of this type can be measured."""
        return self.verdict.startswith(("exact", "within"))


def survey(tasks: Iterable[Task] = get_args(Task), thorough: bool = False) -> Iterator[SurveyedType]:
    """Build a tiny random model of every type, find its layers, prove the readout of every exit, and decode.

    Args:
        tasks: which kinds of models.
        thorough: decode prompts of more lengths, and longer texts.
    """
    transformers.logging.set_verbosity_error()
    for task in tasks:
        for model_type in model_types(task):
            with warnings.catch_warnings(action="ignore"):
                yield _examine(task, model_type, _THOROUGH if thorough else _USUAL)


def _examine(task: Task, model_type: str, lengths: Sequence[int]) -> SurveyedType:
    try:
        model = tiny_model(model_type, task)
    except CannotBuild as error:
        return SurveyedType(task, model_type, verdict=f"not tried: {_plain(error)}")
    mode, before = runs_as(task, model), portrait(model)
    try:
        with unchanged(model, rewritten_tensors(model, mode, _IDS)):
            anatomy, _, worst = dissect(model, mode, _IDS, every_layer=True)
        loaded = prepare(model, tiny_tokenizer(), mode)
        used = _decode(loaded, lengths)
        if changed := [name for name, value in portrait(model).items() if before.get(name) != value]:
            raise MeasurementError(f"being measured changed the model itself: {changed[0]}")
    except MeasurementError as error:
        return SurveyedType(task, model_type, verdict=f"refused: {_plain(error)}")
    return SurveyedType(
        task,
        model_type,
        kind=architecture(mode, loaded.costs) if loaded.costs else "",
        layers=anatomy.num_layers,
        batches=_batches(used),
        policies=", ".join(_policies(loaded)),
        clock=", ".join(_ways(used)),
        stack=anatomy.stack_path,
        seam=anatomy.seam_path,
        verdict="exact" if worst == 0 else f"within {worst:.0e}",
    )


def portrait(model: PreTrainedModel) -> dict[str, Any]:
    """Return all of a model that must not change while it is measured: weights, buffers, modules, switches, config."""
    seen: dict[str, Any] = {f"config.{name}": repr(value) for name, value in model.config.to_dict().items()}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        seen[name] = tensor.dtype, tensor.tolist()
    for path, module in model.named_modules():
        seen[f"type of {path}"] = type(module)
        switches = {name: value for name, value in vars(module).items() if isinstance(value, str | int | float | None)}
        seen |= {f"{path}.{name}": value for name, value in switches.items()}
    return seen


def _decode(loaded: LoadedModel, lengths: Sequence[int]) -> LoadedModel:
    """Hold prompts in a batch against each alone, with a pass over the whole text for every token.

    Returns:
        The model in the way in which it was run.

    Raises:
        MeasurementError: a token or an exit differs.
    """
    masked = loaded.task == "masked"
    longest = (loaded.context or max(lengths)) - (0 if masked else len(lengths))
    rng = np.random.default_rng(0)
    prompts = [rng.integers(4, VOCABULARY // 2, min(length, longest)).tolist() for length in lengths]
    proven = capture_proven(loaded, prompts, Limits(len(lengths), 16))
    engine, alone = FillMasks() if masked else Greedy(), replace(proven.model, batchable=False)
    found, truth = proven.capture.trace, capture(engine, alone, prompts, Limits(len(lengths), 1)).trace
    if found.target.tolist() != truth.target.tolist() or found.matches.tolist() != truth.matches.tolist():
        raise MeasurementError("in a batch, its exits are not those of the model's own forward pass over each text")
    return proven.model


def _batches(loaded: LoadedModel) -> str:
    if not loaded.with_cache:
        return "one by one, without a cache"
    return "one by one" if not loaded.batchable else "equal length" if loaded.recurrent else "padded"


def _policies(loaded: LoadedModel) -> Iterator[Policy]:
    """Yield the policies that gated decoding is proven with."""
    if loaded.task == "masked":
        return
    try:
        loaded = prove_full_text(loaded)
    except MeasurementError:
        return
    for policy in POLICIES:
        with suppress(MeasurementError):
            if _gate_holds(prove_policy(loaded, policy), policy):
                yield policy


def _ways(loaded: LoadedModel) -> Iterator[str]:
    """Yield the ways in which texts of the model can be timed."""
    if loaded.task == "masked" or not loaded.with_cache:
        return
    prompts = [prompt[:5] for prompt in _PROMPTS] if loaded.batchable else _PROMPTS[:1]
    trace = capture_proven(loaded, prompts, Limits(_TIMED, len(prompts))).capture.trace
    texts = [trace.target[trace.prompt == number].tolist() for number in range(len(prompts))]
    exits = np.zeros((len(texts), max(map(len, texts)) - 1), np.int64)
    for number, text in enumerate(texts):
        exits[number, : len(text) - 1] = trace.matches[trace.prompt == number][1:].argmax(axis=1) + 1
    with suppress(MeasurementError):
        replay = Replay(loaded, prompts, texts)
        with replay.running():
            if replay.faithful() and replay.same(replay.run(exits)).all():
                yield "replay"
                if replay.can_leave_alone(exits):
                    yield "alone"
    with suppress(MeasurementError):
        prove_deferred(loaded)
        yield "deferred"


def _gate_holds(loaded: LoadedModel, policy: Policy) -> bool:
    """Whether a gate that sees the vocabulary lets tokens leave in a batch where it does without a cache."""
    if policy == "copy" or not loaded.with_cache:
        return True  # there is no second engine to hold it against
    looks = tuple(range(1, loaded.anatomy.num_layers))
    grown = Rule(looks, _margin_has_grown, frozenset[Asks](("prob_margin",)))
    limits = Limits(len(_PROMPTS), len(_PROMPTS))
    prompts = [prompt[: len(_PROMPTS[0])] for prompt in _PROMPTS] if loaded.recurrent else _PROMPTS
    found = decode_gated(loaded, prompts, limits, grown, policy)
    return found == decode_without_cache(loaded, prompts, limits, grown, policy)


def _margin_has_grown(seen: Glimpses, look: int) -> NDArray[np.bool_]:
    """Leave where the likeliest token is further ahead than at the look before: a threshold would suit one model."""
    if look == 0:
        return np.zeros(len(seen.prob_margin), bool)
    return np.asarray(seen.prob_margin[:, look] > seen.prob_margin[:, look - 1])


def page(surveyed: Sequence[SurveyedType]) -> str:
    """Return what was surveyed, as Markdown."""
    lines = ["# Which architectures can be measured", "", *textwrap.wrap(_INTRODUCTION, 118)]
    for task, title in _TITLES.items():
        rows = [one for one in surveyed if one.task == task]
        passed = sum(one.passed for one in rows)
        lines += ["", f"## {title}: {passed} of {len(rows)}", ""]
        lines += [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
        for row in rows:
            paths = [f"`{path}`" if path else "" for path in (row.stack, row.seam)]
            layers = str(row.layers or "")
            cells = [row.model_type, row.kind, layers, *paths, row.batches, row.policies, row.clock, row.verdict]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def differences(old: str, new: str) -> list[str]:
    """Return the lines of each of two pages that the other has not, as `- old` and `+ new`.

    Rounding, which differs between processors, is no difference.
    """
    before, after = (re.sub(r"within \S+", "exact", page).splitlines() for page in (old, new))
    return [line for line in difflib.ndiff(before, after) if line.startswith(("- ", "+ "))]


def passed_on(text: str) -> set[tuple[str, str]]:
    """(task title, model type) of every row of a page that passed."""
    found, title = set(), ""
    for line in text.splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ").partition(":")[0]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == len(_COLUMNS) and cells[-1].startswith(("exact", "within")):
            found.add((title, cells[0]))
    return found


def _plain(error: Exception) -> str:
    """The message in one table cell: no separators, and no figures that differ between processors."""
    text = " ".join(str(error).split()).partition("; ")[0].replace("|", "/")
    return re.sub(r",? (which holds it for worse )?by [0-9.e+-]+ of the largest logit", "", text)[:160]
