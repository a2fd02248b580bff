"""A located model → weights, tokenizer and a proven readout on a device."""

import gc
from dataclasses import dataclass

import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from benchmark import gguf_cache, hardware
from benchmark.anatomy import Anatomy, find_anatomy
from benchmark.errors import CannotRun, InputError
from benchmark.readout import Readout
from benchmark.readout_proof import prove_readout
from benchmark.sources import Machine, Source
from benchmark.specs import ModelSpec


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to be measured."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    anatomy: Anatomy
    readout: Readout
    end_ids: frozenset[int]
    """Every token id that ends a text, from the generation config and the tokenizer."""
    pad_id: int
    context: int | None
    """Positions the model was made for; None when it names no limit."""
    recurrent: bool
    """Whether some layers carry a state from token to token; such a model must never see padding."""

    @property
    def device(self) -> torch.device:
        """Where token ids go."""
        return self.model.device

    @property
    def dtype(self) -> str:
        """Type of the weights, such as `float32`."""
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def num_parameters(self) -> int:
        """Parameters of the model; tied ones count once."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def vocab_size(self) -> int:
        """Length of a logit vector."""
        return self.model.config.get_text_config().vocab_size


def load(spec: ModelSpec, source: Source, machine: Machine) -> LoadedModel:
    """Load a model, find its anatomy and prove its readout.

    Raises:
        CannotRun: a library it needs is missing, or memory ran out.
        InputError: the files cannot be read as a model.
        MeasurementError: the readout could not be proven.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    field = "id" if spec.id else "path" if spec.path else "file"
    folder = source.path
    if source.is_gguf:
        folder = gguf_cache.converted(source.path, source.revision.removeprefix("sha256:"), spec.where(field))
    custom_code = spec.trust_remote_code and machine.trust_remote_code
    options: dict[str, object] = {}
    if spec.device_map is not None:
        options["device_map"] = spec.device_map
    if spec.quantization is not None:
        bits = {"load_in_8bit": True} if spec.quantization == "8bit" else {"load_in_4bit": True}
        options["quantization_config"] = BitsAndBytesConfig(**bits)
        options.setdefault("device_map", {"": machine.device})
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=machine.dtype or spec.dtype,
            trust_remote_code=custom_code,
            # Weights are data: safetensors, or tensors unpickled without the right to build anything else.
            weights_only=True,
            local_files_only=True,
            **options,
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=custom_code, local_files_only=True)
        if "device_map" not in options:
            model = model.to(machine.device)
    except ImportError as error:
        raise CannotRun(f"a library is missing: {_first_line(error)}", "install it and run again") from None
    except (torch.OutOfMemoryError, MemoryError):
        free = hardware.free_memory(machine.device) / 1e9
        raise CannotRun(
            f"memory ran out while loading ({free:.3g} GB are free)", "use a smaller --dtype or a larger machine"
        ) from None
    except Exception as error:
        # Damaged files end in many kinds of errors, from safetensors, json, pickle, tokenizers and transformers.
        raise InputError(
            f"{spec.where(field)}: cannot be loaded: {type(error).__name__}: {_first_line(error)}"
        ) from None
    return prepare(model.eval().requires_grad_(False), tokenizer)


def prepare(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> LoadedModel:
    """Make a model in memory ready to be measured: plain greedy decoding, anatomy found, readout proven.

    Raises:
        MeasurementError: the layers were not found, or the readout does not reproduce the model.
    """
    end_ids = _end_ids(model.generation_config, tokenizer)
    pad_id = next(
        (i for i in (tokenizer.pad_token_id, model.config.get_text_config().pad_token_id, *end_ids) if i is not None), 0
    )
    # Checkpoints ship sampling, penalties and forced tokens; the full model's token is the plain argmax.
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=sorted(end_ids) or None, pad_token_id=pad_id, use_cache=True
    )
    anatomy = find_anatomy(model)
    readout = Readout(model, anatomy)
    prove_readout(model, anatomy, readout)
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        anatomy=anatomy,
        readout=readout,
        end_ids=end_ids,
        pad_id=pad_id,
        context=_context(model),
        recurrent=_is_recurrent(model),
    )


def free_memory() -> None:
    """Give the memory of a model that is no longer referenced back to the system."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _end_ids(config: GenerationConfig, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    ids = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    return frozenset(token for token in (*ids, tokenizer.eos_token_id) if token is not None)


def _context(model: PreTrainedModel) -> int | None:
    config = model.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None) or getattr(config, "max_seq_len", None)
    return limit if isinstance(limit, int) else None


def _is_recurrent(model: PreTrainedModel) -> bool:
    if getattr(model, "_is_stateful", False):
        return True
    kinds = getattr(model.config.get_text_config(), "layer_types", None) or []
    return any("attention" not in kind or "linear" in kind for kind in kinds)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
