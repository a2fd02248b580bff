"""A located model → its weights on a device, and its tokenizer."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from transformers import AutoConfig, AutoTokenizer, BitsAndBytesConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.distributed import DistributedConfig

from benchmark import ranks
from benchmark.errors import CannotRun, ExitBenchError, InputError
from benchmark.inputs.model_entry import ModelEntry
from benchmark.models import hardware
from benchmark.models.checkpoint import read_shapes, refuse_another_model, refuse_packed, stored_type
from benchmark.models.gguf import convert
from benchmark.models.gguf.header import stored_as
from benchmark.models.hub import weight_files
from benchmark.models.source import Machine, Source
from benchmark.models.stream import LayerStream, without_weights
from benchmark.models.tasks import AUTO_CLASS, runs_as, task_of
from benchmark.trace.costs import Task


@dataclass(frozen=True)
class Weights:
    """A model of transformers and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    task: Task
    """How the model is run."""
    stored_as: str
    """What most of its weights are stored in, such as `bfloat16` or `Q4_1`."""
    stream: LayerStream | None = None
    """What reads the weights of its layers when they run; None of a model that is in memory as a whole."""


def load_weights(spec: ModelEntry, source: Source, machine: Machine) -> Weights:
    """Load a model and its tokenizer.

    Raises:
        CannotRun: a library it needs is missing, or memory ran out.
        InputError: the files cannot be read as a model.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    field = spec.source_field
    folder = source.path
    if source.is_gguf:
        folder = convert.converted(source.path, source.sha256 or "", spec.where(field))
    custom_code = spec.trust_remote_code and machine.trust_remote_code
    # Straight to the device: weights that pass through main memory need as much of it, and packed ones are not moved.
    options: dict[str, object] = {"device_map": spec.device_map or {"": machine.device}}
    if spec.parallel is not None:
        options = {"distributed_config": _distributed(spec.parallel, machine.device)}
    where, allowed = spec.where(field), spec.unused_weights or []
    if spec.quantization is not None:
        bits = {"load_in_8bit": True} if spec.quantization == "8bit" else {"load_in_4bit": True}
        options["quantization_config"] = BitsAndBytesConfig(**bits)
    files = weight_files(folder)
    shapes = read_shapes(files, where)
    stream = None
    with _failures_told(spec, machine):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=custom_code, local_files_only=True)
        task = task_of(config.to_dict()) or "causal"
        refuse_packed(shapes, config.to_dict(), where)
        if spec.streamed:
            model, info = without_weights(folder, config, task, machine.dtype or spec.dtype, shapes)
        else:
            model, info = AUTO_CLASS[task].from_pretrained(
                folder,
                dtype=machine.dtype or spec.dtype,
                trust_remote_code=custom_code,
                # Weights are data: safetensors, or tensors unpickled without the right to build anything else.
                weights_only=True,
                local_files_only=True,
                output_loading_info=True,
                # Else its error points at a report that is not shown.
                ignore_mismatched_sizes=True,
                **options,
            )
        tokenizer = _tokenizer(folder, custom_code)
        refuse_another_model(model, info, shapes, allowed, where)
        if spec.streamed:
            stream = LayerStream(model, files, machine.device, spec.layer_stack)
    stored = stored_as(source.path) if source.is_gguf else stored_type(shapes, config.to_dict())
    return Weights(model, tokenizer, runs_as(task, model), stored, stream)


@contextmanager
def _failures_told(spec: ModelEntry, machine: Machine) -> Iterator[None]:
    """Inside the block files are read as a model; what that fails with becomes a line that names the entry."""
    try:
        yield
    except ExitBenchError:
        raise
    except ImportError as error:
        raise CannotRun(f"a library is missing: {_first_line(error)}", "install it and run again") from None
    except (torch.OutOfMemoryError, MemoryError):
        raise out_of_memory(machine.device) from None
    except Exception as error:
        # Damaged files end in many kinds of errors, from safetensors, json, pickle, tokenizers and transformers.
        raise InputError(
            f"{spec.where(spec.source_field)}: cannot be loaded: {type(error).__name__}: {_first_line(error)}"
        ) from None


def _distributed(parallel: str, device: torch.device) -> DistributedConfig:
    """Return how a model is spread over all ranks, which meet here."""
    ranks.join(device.type)
    # Experts go to the ranks as a whole; what stands beside them is cut as without experts.
    return DistributedConfig(tp_size=ranks.ranks(), ep_size=ranks.ranks() if parallel == "expert" else 1)


def _tokenizer(folder: Path, custom_code: bool) -> PreTrainedTokenizerBase:
    """Return the tokenizer in a model folder.

    Raises:
        CannotRun: it is a sentencepiece file, and what reads such files is not installed.
    """
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=custom_code, local_files_only=True)
    except Exception:
        # transformers takes a file for another kind of it when it cannot read the kind that it is.
        if (folder / "tokenizer.json").is_file() or all(map(_installed, ("sentencepiece", "google.protobuf"))):
            raise
        if not any(_is_sentencepiece(file) for file in folder.glob("*.model")):
            raise
        what, remedy = "the tokenizer is a sentencepiece file", "python -m pip install sentencepiece protobuf"
        raise CannotRun(what, remedy) from None


def _is_sentencepiece(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(1) == b"\n"  # the tag of the first field; what else is called so is text


def _installed(library: str) -> bool:
    try:
        return importlib.util.find_spec(library) is not None
    except ModuleNotFoundError:
        return False


def out_of_memory(device: torch.device) -> CannotRun:
    """Return the error of a device on which a model could not be loaded."""
    free = hardware.free_memory(device) / 1e9
    return CannotRun(
        f"memory ran out while loading ({free:.3g} GB are free)",
        "use a smaller dtype or a larger machine",
        setting="dtype",
    )


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
