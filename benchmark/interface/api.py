"""Measuring from Python: a model that is named or at hand, and its trace on prompts, with nothing written to disk.

The same path as a case of `suites/` takes, so the same numbers.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from pydantic import ValidationError
from torch._dynamo.eval_frame import OptimizedModule
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from benchmark.cases.identity import machine_of, refuse_misfit
from benchmark.cases.job import Job, run_job
from benchmark.cases.model_trace import InMemory, ModelTrace
from benchmark.cases.resources import Resources
from benchmark.decoding.prepare import prepare
from benchmark.errors import ExitBenchError, InputError, told
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.data.texts import continuation
from benchmark.inputs.fields import Dtype, at_home
from benchmark.inputs.model_entry import ModelEntry, load_models
from benchmark.inputs.packaged import model_file as usual_model_file
from benchmark.inputs.prompt import Continuation, Prompt
from benchmark.inputs.selection import select
from benchmark.inputs.settings import DEVICES, CaptureSettings, EngineName, refuse_below_one
from benchmark.inputs.workload_entry import WorkloadEntry, WorkloadSource, load_workload
from benchmark.inputs.yaml_reader import explain
from benchmark.metrics.scoring import Scoring
from benchmark.models import hardware
from benchmark.models.hub import Hub
from benchmark.models.source import Source
from benchmark.models.tasks import runs_as, task_of
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.sample import SAMPLE, TOP_K, SignalsOf

MAX_NEW_TOKENS = 64
"""Tokens generated for a prompt of the caller's own, unless asked otherwise; most workloads have the same."""


@dataclass(frozen=True, repr=False)
class TraceableModel:
    """A model whose readout is proven, ready for prompts; made by `load` or `wrap`."""

    entry: ModelEntry
    """What a model file says of it, or would."""
    loaded: LoadedModel
    """The model, its tokenizer, and what was found in it."""
    source: Source
    """Where it is from."""
    dtype: Dtype | None = None
    """What its weights were asked to be, if not what the entry says."""

    @property
    def name(self) -> str:
        """What rows call it."""
        return self.entry.name

    def trace(
        self,
        prompts: str | Path | Sequence[str],
        *,
        max_new_tokens: int | None = None,
        limit: int | None = None,
        chat: bool | None = None,
        batch_size: int | None = None,
        sample: int | None = SAMPLE,
        signals: SignalsOf = "sample",
        engine: EngineName | None = None,
        top_k: int = TOP_K,
        seed: int = 0,
        download: bool = False,
    ) -> ModelTrace:
        """Decode every prompt greedily, and record what every layer says about every token.

        Args:
            prompts: name of a workload, its file, or a list of texts.
            max_new_tokens: tokens a prompt at most; by default the workload's, of texts 64.
            limit: only the first so many prompts; by default as many as a full run of the workload takes.
            chat: whether prompts go through the model's chat template, if it has one. By default those of a chat
                workload do; texts are fed as they stand.
            batch_size: the most prompts decoded together; by default the entry's, else 16.
            sample: tokens that are looked at with all their logits, at most; None for all.
            signals: which tokens' probabilities are kept at every layer, for gates: those of the sample, or of all.
            engine: `generate` to watch every layer while the model decodes, `two-phase` to let it decode undisturbed
                and read what it has written; by default two phases for causal models on CUDA.
            top_k: K of the overlap of the most likely tokens.
            seed: of the sample, of the intervals, and of which tokens are masked for an encoder.
            download: fetch the data of the workload if they are not on this machine.

        Raises:
            InputError: there is no such workload, or an argument is outside its range.
            CannotRun: the data of the workload are not on this machine, or are for another kind of model.
            MeasurementError: no prompt fits the context, the logits are NaN, or memory ran out.
        """
        for argument, value in (("max_new_tokens", max_new_tokens), ("limit", limit)):
            refuse_below_one(argument, value)
        settings = self._settings(
            limit=limit if isinstance(prompts, str | Path) else None,
            max_new_tokens=max_new_tokens,
            batch_size=batch_size,
            seed=seed,
            top_k=top_k,
            sample=sample,
            signals=signals,
            engine=engine,
        )
        resources = Resources(Hub(download))
        if isinstance(prompts, str | Path):
            workload = _workload(prompts)
            refuse_misfit(self.name, self.loaded.task, workload)
            if chat is not None and workload.kind in ("chat", "completion"):
                workload = workload.model_copy(update={"kind": "chat" if chat else "completion"})
            with _naming_arguments():
                given = resources.prompts(workload, limit or workload.prompts)
        else:
            texts = _texts(prompts)[:limit]
            workload = _of_texts(texts, self.loaded, bool(chat))
            given = [Prompt(id=str(number), messages=text) for number, text in enumerate(texts)]
        return self._measured(workload, given, settings, resources)

    def trace_given(
        self,
        prompts: Sequence[str] | None,
        texts: Sequence[str | Sequence[int]],
        *,
        chat: bool = False,
        batch_size: int | None = None,
        sample: int | None = SAMPLE,
        signals: SignalsOf = "sample",
        top_k: int = TOP_K,
        seed: int = 0,
    ) -> ModelTrace:
        """Record what every layer says about every token of texts that are there already, many in one pass.

        The exits are those of the tokens that the model would have written; `arrays.given` has those of the texts, and
        the column `not_argmax_share` says how many are others.

        Args:
            prompts: what each text continues; None where nothing stands before them, as in a corpus.
            texts: the texts, or the token ids of each.
            chat: whether prompts go through the model's chat template, if it has one.
            batch_size: the most texts that run together; by default the entry's, else 16.
            sample: tokens that are looked at with all their logits, at most; None for all.
            signals: which tokens' probabilities are kept at every layer, for gates: those of the sample, or of all.
            top_k: K of the overlap of the most likely tokens.
            seed: of the sample, and of the intervals.

        Raises:
            InputError: there are not as many texts as prompts, one is empty, or an argument is outside its range.
            MeasurementError: a text does not come back from its tokens, none fits the context, the logits are NaN, or
                memory ran out.
        """
        if self.loaded.task == "masked":
            raise InputError(f"trace_given: {self.name} fills in masked tokens and continues no text; use `trace`")
        settings = self._settings(batch_size=batch_size, seed=seed, top_k=top_k, sample=sample, signals=signals)
        if isinstance(texts, str):
            raise InputError("trace_given: texts must be a list of texts, or of lists of token ids")
        behind = [_continuation(text, number) for number, text in enumerate(texts)]
        before = [""] * len(behind) if prompts is None else _texts(prompts, "trace_given")
        if not behind or len(before) != len(behind):
            raise InputError(
                f"trace_given: {len(before)} prompts and {len(behind)} texts; give one text for each prompt"
            )
        given = [
            Prompt(id=str(number), messages=prompt, given=text)
            for number, (prompt, text) in enumerate(zip(before, behind, strict=True))
        ]
        # All of each text: it has no more tokens than bytes.
        most = max(len(text.token_ids or (text.text or "").encode(errors="surrogatepass")) for text in behind)
        workload = _of_texts(before, self.loaded, chat).model_copy(update={"max_new_tokens": most})
        return self._measured(workload, given, settings, Resources())

    def _settings(self, **asked: Any) -> CaptureSettings:
        return CaptureSettings(self.loaded.device.type, self.dtype, **asked)

    def _measured(
        self, workload: WorkloadEntry, given: Sequence[Prompt], settings: CaptureSettings, resources: Resources
    ) -> ModelTrace:
        """Return the trace of some prompts that are fed as those of a workload are."""
        job = Job(self.entry, workload, settings, Scoring(seed=settings.seed), tuple(given))
        store = InMemory()
        resources.lend(self.entry, self.source, self.loaded)
        # Prompts of one batch end together, so the bar counts tokens.
        total = len(given) * (settings.max_new_tokens or workload.max_new_tokens)
        with tqdm(total=total, unit=" tokens", leave=False, disable=None) as bar:

            def advance(tokens: int, _: int) -> None:
                bar.update(tokens)

            with _naming_arguments():
                row = run_job(job, store, advance, resources)
        return ModelTrace(store.trace, tuple(prompt.text for prompt in given), row)

    def __repr__(self) -> str:
        """One line."""
        loaded = self.loaded
        return f"<{self.name}: {loaded.anatomy.num_layers} layers, {loaded.dtype} on {loaded.device.type}>"


def load(
    name: str | Path,
    *,
    model_file: str | Path | None = None,
    dtype: Dtype | None = None,
    device: str = "auto",
    download: bool = False,
    trust_remote_code: bool = False,
) -> TraceableModel:
    """Load a model by name, find its layers and prove its readout.

    Args:
        name: an entry of the model file (its name or hub id), a folder in the transformers layout, a GGUF file, or the
            hub id (organization/name) of any other model.
        model_file: by default `models.yaml` in the current folder, else that of the package.
        dtype: type of the weights; by default the entry's, else what the checkpoint was saved in.
        device: `cpu`, or an accelerator as torch names it, such as `cuda`; `auto` is the one there is, else the CPU.
        download: fetch the model if it is not on this machine.
        trust_remote_code: let the model's repository run its own Python code.

    Raises:
        InputError: there is no such model, or its files cannot be read.
        CannotRun: it is not on this machine, too large for it, or needs what is not installed.
        MeasurementError: its readout could not be proven.
    """
    _refuse_other(get_args(Dtype), dtype=dtype or "auto")
    _refuse_other(("auto", *DEVICES), device=device)
    entry = _entry(name, model_file, trust_remote_code)
    with _naming_arguments():
        return _loaded(entry, dtype, device, trust_remote_code, Hub(download))


def _loaded(entry: ModelEntry, dtype: Dtype | None, device: str, trust_remote_code: bool, hub: Hub) -> TraceableModel:
    chosen = hardware.choose_device(device)
    settings = CaptureSettings(device=chosen.type, dtype=dtype, trust_remote_code=trust_remote_code)
    resources, machine = Resources(hub), machine_of(settings)
    return TraceableModel(entry, resources.model(entry, machine), resources.source(entry, machine), dtype)


def wrap(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str | None = None) -> TraceableModel:
    """Find the layers of a model that is loaded already and prove its readout; on its device, in its dtype, no copy.

    The model is put into evaluation mode, its parameters need no gradients any more, and its generation config becomes
    that of plain greedy decoding.

    Args:
        model: of transformers, with its language model head.
        tokenizer: of the model.
        name: what the columns call it; by default where it was loaded from, else its class.

    Raises:
        InputError: they are not a model and a tokenizer of transformers.
        MeasurementError: its readout could not be proven.
    """
    # Of a compiled module nothing more is seen than that it runs.
    model = getattr(model, "_orig_mod", model)
    kind = type(model).__name__
    if not isinstance(model, PreTrainedModel):
        raise InputError(f"wrap: a {kind} is not a transformers model; give the PreTrainedModel itself")
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise InputError(f"wrap: a {type(tokenizer).__name__} is not a transformers tokenizer; give that of the model")
    if (path := _compiled(model)) is not None:
        raise InputError(f"wrap: {path or 'the model'} is compiled, so its layers cannot be seen; wrap it uncompiled")
    # In memory the class is the truth, whatever the config says that it was saved as.
    task = runs_as(task_of({**model.config.to_dict(), "architectures": [kind]}) or "causal", model)
    if task != "masked" and not model.can_generate():
        raise InputError(f"wrap: a {kind} has no language model head; load it with AutoModelForCausalLM or its like")
    title = name or Path(model.name_or_path).name or kind
    source = Source(Path(model.name_or_path), revision="in-memory", label=f"memory:{kind}", in_memory=task)
    return TraceableModel(_made_up(title, {"path": title}), prepare(model, tokenizer, task), source)


def _compiled(model: PreTrainedModel) -> str | None:
    """Return the path of a module that is compiled or scripted, the empty one of the model itself; None if none is."""
    for path, module in model.named_modules():
        forward = vars(module).get("forward", type(module).forward)
        scripted = isinstance(module, torch.jit.ScriptModule | OptimizedModule)
        if scripted or module._compiled_call_impl is not None or hasattr(forward, "_torchdynamo_orig_callable"):
            return path
    return None


@contextmanager
def _naming_arguments() -> Iterator[None]:
    """Inside the block errors end with the argument of Python that is to be changed."""
    try:
        yield
    except ExitBenchError as error:
        error.args = (told(error, lambda setting: f"the argument {setting}"),)
        raise


def _entry(name: str | Path, model_file: str | Path | None, custom_code: bool) -> ModelEntry:
    """The entry of the model file that is meant, or one made up for a folder, a GGUF file or a hub id."""
    file = usual_model_file(None if model_file is None else Path(model_file))
    specs = load_models(file)
    found = [spec for spec in specs if spec.name == name] or [spec for spec in specs if spec.id == name]
    if not found and (_is_path(name) or re.fullmatch(r"[\w.-]+/[\w.-]+", str(name))):
        return _of_no_file(name, custom_code)
    place = f"{file}, and is not a file, folder or hub id (organization/name)"
    found = found or select(specs, [str(name)], "load:", place)
    if len(found) > 1:
        names = ", ".join(spec.name for spec in found)
        raise InputError(f"load: '{name}' is several entries of {file}; give the name of one: {names}")
    return found[0]


def _is_path(name: str | Path) -> bool:
    text = str(name)
    return isinstance(name, Path) or text.startswith((".", "/", "~")) or text.endswith(".gguf") or os.path.exists(text)  # noqa: PTH110 - Path.exists raises for a name too long


def _of_no_file(name: str | Path, custom_code: bool) -> ModelEntry:
    """An entry for what no model file lists."""
    if not _is_path(name):
        return _made_up(None, {"id": name, "trust_remote_code": custom_code})
    path = at_home(str(name)).absolute()
    return _made_up(path.name.removesuffix(".gguf"), {"path": str(path), "trust_remote_code": custom_code})


def _made_up(title: str | None, fields: dict[str, Any]) -> ModelEntry:
    """An entry with these fields. A folder may be called what an entry may not."""
    if title is not None:
        fields["name"] = re.sub(r"[^A-Za-z0-9._+@-]+", "-", title).lstrip("._+@-")[:100] or "model"
    try:
        entry = ModelEntry.model_validate(fields)
    except ValidationError as error:
        raise InputError("\n".join(explain(error, "load", ModelEntry))) from None
    entry._file = "load"
    return entry


def _of_texts(texts: Sequence[str], loaded: LoadedModel, chat: bool) -> WorkloadEntry:
    """A workload of texts that are given."""
    written: Literal["chat", "completion"] = "chat" if chat else "completion"
    return WorkloadEntry(
        name="texts",
        description="texts given in Python",
        source=WorkloadSource(file="texts.jsonl"),
        field="text",
        kind="masked" if loaded.task == "masked" else written,
        prompts=len(texts),
        max_new_tokens=MAX_NEW_TOKENS,
        licence="of whoever gave them",
    )


def _workload(name: str | Path) -> WorkloadEntry:
    if isinstance(name, Path) or name.endswith((".yaml", ".yml")):
        return load_workload(Path(name))
    workloads = {workload.name: workload for workload in load_workloads()}
    if name not in workloads:
        names = ", ".join(workloads)
        raise InputError(f"trace: no workload is called '{name}'; there are: {names}; texts go in a list")
    return workloads[name]


def _continuation(text: str | Sequence[int], number: int) -> Continuation:
    try:
        return continuation(text, None) if isinstance(text, str) else continuation(None, [*map(index, text)])
    except (TypeError, ValueError) as error:
        raise InputError(f"trace_given: text {number}: {error}") from None


def _texts(prompts: Sequence[str], where: str = "trace") -> list[str]:
    texts = list(prompts)
    if isinstance(prompts, str) or not texts or not all(isinstance(text, str) and text for text in texts):
        other = "the name of a workload, or a list" if where == "trace" else "None, or a list"
        raise InputError(f"{where}: prompts must be {other} of texts none of which is empty")
    return texts


def _refuse_other(known: Sequence[str], **given: str) -> None:
    for name, value in given.items():
        if value not in known:
            raise InputError(f"{name}: must be one of {', '.join(known)}, not {value!r}")
