"""Measuring from Python: a model that is named or at hand, and its trace on prompts, with nothing written to disk.

The same path as a case of `suites/` takes, so the same numbers.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from benchmark.cases.case import DEFAULT_BATCH_SIZE
from benchmark.cases.measure import measure, measured_columns
from benchmark.cases.model_trace import ModelTrace
from benchmark.cases.resources import refuse_misfit
from benchmark.errors import ExitBenchError, InputError
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.fields import Dtype
from benchmark.inputs.model_entry import ModelEntry, load_models
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.selection import select
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.inputs.yaml_reader import explain
from benchmark.models import hardware
from benchmark.models import weights as loading
from benchmark.models.hub import Hub
from benchmark.models.locate import Machine, locate
from benchmark.models.tasks import runs_as, task_of
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.sample import SAMPLE, TOP_K, Sampling

MAX_NEW_TOKENS = 64
"""Tokens generated for a prompt of the caller's own, unless asked otherwise; most workloads have the same."""

_MODEL_FILES = (Path("models.yaml"), Path(__file__).parents[2] / "models.yaml")
"""Where `load` looks names up: in the current folder, else in the checkout this package runs from."""
_KEYWORDS = {"--download": "download=True", "--trust-remote-code": "trust_remote_code=True"}
_OPTIONS = re.compile("--(?:download|trust-remote-code|dtype|device|max-new-tokens|batch-size|top-k)")


@dataclass(frozen=True, repr=False)
class TraceableModel:
    """A model whose readout is proven, ready for prompts; made by `load` or `wrap`."""

    name: str
    loaded: LoadedModel
    """The model, its tokenizer, and what was found in it."""
    batch_size: int = DEFAULT_BATCH_SIZE
    """The most prompts decoded together, unless `trace` is asked otherwise."""
    chat_template: bool = True
    """Whether chat workloads go through the model's chat template, if it has one."""

    def trace(
        self,
        prompts: str | Sequence[str],
        *,
        max_new_tokens: int | None = None,
        limit: int | None = None,
        chat: bool | None = None,
        batch_size: int | None = None,
        sample: int | None = SAMPLE,
        top_k: int = TOP_K,
        seed: int = 0,
        download: bool = False,
    ) -> ModelTrace:
        """Decode every prompt greedily, and record what every layer says about every token.

        Args:
            prompts: name of a workload, or a list of texts.
            max_new_tokens: tokens a prompt at most; by default the workload's, of texts 64.
            limit: only the first so many prompts; by default as many as a full run of the workload takes.
            chat: whether prompts go through the model's chat template, if it has one. By default those of a chat
                workload do; texts are fed as they stand.
            batch_size: the most prompts decoded together; by default the entry's, else 16.
            sample: tokens that are looked at with all their logits, at most; None for all.
            top_k: K of the overlap of the most likely tokens.
            seed: of the sample, of the intervals, and of which tokens are masked for an encoder.
            download: fetch the data of the workload if they are not on this machine.

        Raises:
            InputError: there is no such workload, or an argument is outside its range.
            CannotRun: the data of the workload are not on this machine, or are for another kind of model.
            MeasurementError: no prompt fits the context, the logits are NaN, or memory ran out.
        """
        _refuse_below_one(max_new_tokens=max_new_tokens, limit=limit, batch_size=batch_size, sample=sample, top_k=top_k)
        with _in_keywords():
            workload = None
            if isinstance(prompts, str):
                workload = _workload(prompts)
                refuse_misfit(self.name, self.loaded.task, workload)
                texts = read_prompts(workload, limit or workload.prompts, Hub(download))
                max_new_tokens = max_new_tokens or workload.max_new_tokens
            else:
                texts = _texts(prompts)[:limit]
                max_new_tokens = max_new_tokens or MAX_NEW_TOKENS
            if chat is None:
                chat = workload is not None and workload.kind == "chat" and self.chat_template
            # Prompts of one batch end together, so the bar counts tokens.
            with tqdm(total=len(texts) * max_new_tokens, unit=" tokens", leave=False, disable=None) as bar:

                def advance(tokens: int, _: int) -> None:
                    bar.update(tokens)

                measurement = measure(
                    self.loaded,
                    texts,
                    chat,
                    max_new_tokens,
                    batch_size or self.batch_size,
                    Sampling(sample, top_k, seed),
                    advance,
                )
        setting = {
            "model": self.name,
            "workload": workload.name if workload else None,
            "device": self.loaded.device.type,
            "max_new_tokens": max_new_tokens,
            "seed": seed,
            "top_k": top_k,
            **measured_columns(measurement, self.loaded),
        }
        return ModelTrace(measurement.capture.trace, tuple(texts), self.loaded.costs, setting)

    def __repr__(self) -> str:
        """One line."""
        loaded = self.loaded
        return f"<{self.name}: {loaded.anatomy.num_layers} layers, {loaded.dtype} on {loaded.device.type}>"


def load(
    name: str | Path,
    *,
    model_file: str | Path | None = None,
    dtype: Dtype | None = None,
    device: Literal["auto", "cuda", "cpu"] = "auto",
    download: bool = False,
    trust_remote_code: bool = False,
) -> TraceableModel:
    """Load a model by name, find its layers and prove its readout.

    Args:
        name: an entry of the model file (its name or hub id), a folder in the transformers layout, a GGUF file, or the
            hub id (organization/name) of any other model.
        model_file: by default `models.yaml` in the current folder, else that of the checkout.
        dtype: type of the weights; by default the entry's, else what the checkpoint was saved in.
        device: `auto` is CUDA when there, else the CPU.
        download: fetch the model if it is not on this machine.
        trust_remote_code: let the model's repository run its own Python code.

    Raises:
        InputError: there is no such model, or its files cannot be read.
        CannotRun: it is not on this machine, too large for it, or needs what is not installed.
        MeasurementError: its readout could not be proven.
    """
    _refuse_other(get_args(Dtype), dtype=dtype or "auto")
    _refuse_other(("auto", "cuda", "cpu"), device=device)
    with _in_keywords():
        spec = _entry(name, model_file, trust_remote_code)
        machine = Machine(hardware.choose_device(device), dtype, trust_remote_code)
        loaded = loading.load(spec, locate(spec, Hub(download), machine), machine)
    return TraceableModel(
        spec.name, loaded, spec.batch_size or DEFAULT_BATCH_SIZE, chat_template=spec.chat_template is not False
    )


def wrap(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str | None = None) -> TraceableModel:
    """Find the layers of a model that is loaded already and prove its readout; on its device, in its dtype, no copy.

    The model is put into evaluation mode, its parameters need no gradients any more, and its generation config becomes
    that of plain greedy decoding.

    Args:
        model: of transformers, with its language model head.
        tokenizer: of the model.
        name: what the columns call it; by default where it was loaded from, else its class.

    Raises:
        InputError: it is no such model or tokenizer.
        MeasurementError: its readout could not be proven.
    """
    kind = type(model).__name__
    if not isinstance(model, PreTrainedModel):
        raise InputError(f"wrap: a {kind} is no transformers model; give the PreTrainedModel itself")
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise InputError(f"wrap: a {type(tokenizer).__name__} is no transformers tokenizer; give that of the model")
    # In memory the class is the truth, whatever the config says that it was saved as.
    task = runs_as(task_of({**model.config.to_dict(), "architectures": [kind]}) or "causal", model)
    if task != "masked" and not model.can_generate():
        raise InputError(f"wrap: a {kind} has no language model head; load it with AutoModelForCausalLM or its like")
    return TraceableModel(name or Path(model.name_or_path).name or kind, loading.prepare(model, tokenizer, task))


def _entry(name: str | Path, model_file: str | Path | None, custom_code: bool) -> ModelEntry:
    """The entry of the model file that is meant, or one made up for a folder, a GGUF file or a hub id."""
    file = Path(model_file) if model_file is not None else next((file for file in _MODEL_FILES if file.exists()), None)
    specs = load_models(file) if file is not None else []
    found = [spec for spec in specs if spec.name == name] or [spec for spec in specs if spec.id == name]
    if not found and (_is_path(name) or re.fullmatch(r"[\w.-]+/[\w.-]+", str(name))):
        return _made_up(name, custom_code)
    if file is None:
        raise InputError(f"load: '{name}' is no file, folder or hub id (organization/name); give a model_file of names")
    place = f"{file}, and is no file, folder or hub id (organization/name)"
    found = found or select(specs, [str(name)], "load:", place)
    if len(found) > 1:
        names = ", ".join(spec.name for spec in found)
        raise InputError(f"load: '{name}' is several entries of {file}; give the name of one: {names}")
    return found[0]


def _is_path(name: str | Path) -> bool:
    text = str(name)
    return isinstance(name, Path) or text.startswith((".", "/", "~")) or text.endswith(".gguf") or Path(text).exists()


def _made_up(name: str | Path, custom_code: bool) -> ModelEntry:
    """An entry for what no model file lists."""
    fields: dict[str, Any] = {"id": name}
    if _is_path(name):
        path = Path(name).expanduser().absolute()
        # A folder may be called what an entry may not.
        title = re.sub(r"[^A-Za-z0-9._+@-]+", "-", path.name.removesuffix(".gguf")).lstrip("._+@-")
        fields = {"path": str(path), "name": title[:100] or "model"}
    try:
        spec = ModelEntry.model_validate({**fields, "trust_remote_code": custom_code})
    except ValidationError as error:
        raise InputError("\n".join(explain(error, "load", ModelEntry))) from None
    spec._file = "load"
    return spec


def _workload(name: str) -> WorkloadEntry:
    known = {spec.name: spec for spec in load_workloads()}
    if name not in known:
        raise InputError(f"trace: no workload is called '{name}'; there are: {', '.join(known)}; texts go in a list")
    return known[name]


def _texts(prompts: Sequence[str]) -> list[str]:
    texts = list(prompts)
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise InputError("trace: prompts must be the name of a workload, or a list of texts none of which is empty")
    return texts


def _refuse_below_one(**given: int | None) -> None:
    for name, value in given.items():
        if value is not None and (not isinstance(value, int) or value < 1):
            raise InputError(f"{name}: must be a whole number of at least 1, not {value!r}")


def _refuse_other(known: Sequence[str], **given: str) -> None:
    for name, value in given.items():
        if value not in known:
            raise InputError(f"{name}: must be one of {', '.join(known)}, not {value!r}")


@contextmanager
def _in_keywords() -> Iterator[None]:
    """Inside the block errors name the arguments of Python where they would name options of the command line."""
    try:
        yield
    except ExitBenchError as error:
        said = str(error)
        error.args = (_OPTIONS.sub(lambda option: _keyword(option.group()), said),)
        raise


def _keyword(option: str) -> str:
    return _KEYWORDS.get(option, option.removeprefix("--").replace("-", "_"))
