"""A located model → its weights on a device, and its tokenizer."""

from dataclasses import dataclass

import torch
import transformers
from transformers import AutoConfig, AutoTokenizer, BitsAndBytesConfig, PreTrainedModel, PreTrainedTokenizerBase

from benchmark.errors import CannotRun, InputError
from benchmark.inputs.model_entry import ModelEntry
from benchmark.models import gguf_convert, hardware
from benchmark.models.packed import quantization_of
from benchmark.models.source import Machine, Source
from benchmark.models.tasks import AUTO_CLASS, runs_as, task_of
from benchmark.trace.costs import Task


@dataclass(frozen=True)
class Weights:
    """A model of transformers and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    task: Task
    """How the model is run."""


def load_weights(spec: ModelEntry, source: Source, machine: Machine) -> Weights:
    """Load a model and its tokenizer.

    Raises:
        CannotRun: a library it needs is missing, or memory ran out.
        InputError: the files cannot be read as a model.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    field = "file" if spec.file else "id" if spec.id else "path"
    folder = source.path
    if source.is_gguf:
        folder = gguf_convert.converted(source.path, source.sha256 or "", spec.where(field))
    custom_code = spec.trust_remote_code and machine.trust_remote_code
    options: dict[str, object] = {}
    if spec.device_map is not None:
        options["device_map"] = spec.device_map
    if spec.quantization is not None:
        bits = {"load_in_8bit": True} if spec.quantization == "8bit" else {"load_in_4bit": True}
        options["quantization_config"] = BitsAndBytesConfig(**bits)
        options.setdefault("device_map", {"": machine.device})
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=custom_code, local_files_only=True)
        task = task_of(config.to_dict()) or "causal"
        if machine.device.type != "cpu" and quantization_of(config.to_dict()) is not None:
            # Packed weights are not moved later.
            options.setdefault("device_map", {"": machine.device})
        model, info = AUTO_CLASS[task].from_pretrained(
            folder,
            dtype=machine.dtype or spec.dtype,
            trust_remote_code=custom_code,
            # Weights are data: safetensors, or tensors unpickled without the right to build anything else.
            weights_only=True,
            local_files_only=True,
            output_loading_info=True,
            **options,
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=custom_code, local_files_only=True)
        if "device_map" not in options and not getattr(model, "is_quantized", False):
            model = model.to(machine.device)
    except ImportError as error:
        raise CannotRun(f"a library is missing: {_first_line(error)}", "install it and run again") from None
    except (torch.OutOfMemoryError, MemoryError):
        raise out_of_memory(machine.device) from None
    except Exception as error:
        # Damaged files end in many kinds of errors, from safetensors, json, pickle, tokenizers and transformers.
        raise InputError(
            f"{spec.where(field)}: cannot be loaded: {type(error).__name__}: {_first_line(error)}"
        ) from None
    if info["missing_keys"]:
        # transformers would fill them with random numbers.
        raise InputError(
            f"{spec.where(field)}: the checkpoint lacks weights: {', '.join(sorted(info['missing_keys'])[:5])}"
        )
    return Weights(model, tokenizer, runs_as(task, model))


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
