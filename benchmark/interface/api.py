"""Measuring from Python: a model that is named or at hand, and its trace on prompts, with nothing written to disk.

The same path as a case of `suites/` takes, so the same numbers.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch._dynamo.eval_frame import OptimizedModule
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from benchmark.cases.identity import machine_of, refuse_misfit
from benchmark.cases.job import Job, run_job
from benchmark.cases.model_trace import InMemory, ModelTrace
from benchmark.cases.resources import Resources
from benchmark.decoding.prepare import prepare
from benchmark.errors import ExitBenchError, InputError, told
from benchmark.inputs.fields import Dtype
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.prompt import Prompt
from benchmark.inputs.settings import DEVICES, CaptureSettings, EngineName, refuse_below_one
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.interface.python_arguments import (
    continuation_of,
    entry_of,
    made_up,
    refuse_other,
    texts_of,
    workload_of,
    workload_of_texts,
)
from benchmark.metrics.scoring import Scoring
from benchmark.models import hardware
from benchmark.models.hub import Hub
from benchmark.models.source import Source
from benchmark.models.tasks import runs_as, task_of
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.sample import SAMPLE, TOP_K, SignalsOf


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
            workload = workload_of(prompts)
            refuse_misfit(self.name, self.loaded.task, workload)
            if chat is not None and workload.kind in ("chat", "completion"):
                workload = workload.model_copy(update={"kind": "chat" if chat else "completion"})
            with _naming_arguments():
                given = resources.prompts(workload, limit or workload.prompts)
        else:
            texts = texts_of(prompts)[:limit]
            workload = workload_of_texts(texts, self.loaded, bool(chat))
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
        behind = [continuation_of(text, number) for number, text in enumerate(texts)]
        before = [""] * len(behind) if prompts is None else texts_of(prompts, "trace_given")
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
        workload = workload_of_texts(before, self.loaded, chat).model_copy(update={"max_new_tokens": most})
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
    refuse_other(get_args(Dtype), dtype=dtype or "auto")
    refuse_other(("auto", *DEVICES), device=device)
    entry = entry_of(name, model_file, trust_remote_code)
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
    return TraceableModel(made_up(title, {"path": title}), prepare(model, tokenizer, task), source)


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
