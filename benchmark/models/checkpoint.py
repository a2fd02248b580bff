"""What a checkpoint holds, against the model that is made of it: the model that is measured must be the whole of it.

transformers builds what the config says, and leaves aside what the files hold beyond that. Some of it is told in the
report of loading, some is silenced there, so the names and types in the files are looked at as well.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import PreTrainedModel

from benchmark.errors import InputError
from benchmark.models.hub import missing_weights, weight_files

Shapes = Mapping[str, tuple[str, tuple[int, ...]]]
"""Type, as safetensors writes it, and shape of every tensor of a checkpoint."""

_TYPES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
_STORED = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_PACKED = re.compile(r"F8|F4|F6|I8|U8|I4|U4|I32|U32")
# Tables that a model computes for itself, once saved with the weights; the masks of old attention have four dimensions.
_TABLES = re.compile(r"(^|\.)(inv_freq|position_ids|token_type_ids|masked_bias|num_batches_tracked)$")
_MASK = re.compile(r"(attn|attention)\.bias$")
# Heads of pre-training that stand beside the one that predicts tokens.
_BESIDE = re.compile(r"(^|\.)(pooler|seq_relationship|nsp_cls|sop_classifier)\.")
_NO_LANGUAGE_MODEL = re.compile(r"Classification|Classifier|QuestionAnswering|MultipleChoice|NextSentence|Reward")
_NAMED = 3


def read_shapes(files: Sequence[Path], where: str) -> Shapes:
    """Return what the weight files of a model folder hold, without reading any weights.

    Args:
        files: in safetensors or PyTorch's format.
        where: address of the entry's field, for the error.

    Raises:
        InputError: a file is damaged.
    """
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for file in files:
        try:
            if file.suffix == ".safetensors":
                with safe_open(file, "pt") as tensors:
                    for name in tensors.keys():  # noqa: SIM118 - it is no dictionary
                        part = tensors.get_slice(name)
                        found[name] = part.get_dtype(), tuple(part.get_shape())
            else:
                for name, tensor in torch.load(file, map_location="meta", weights_only=True, mmap=True).items():
                    found[name] = _TYPES.get(tensor.dtype, str(tensor.dtype)), tuple(tensor.shape)
        except (OSError, SafetensorError, RuntimeError, AttributeError, EOFError, ValueError) as error:
            reason = " ".join(str(error).split())[:150] or type(error).__name__
            raise InputError(f"{where}: cannot be loaded: {file.name}: {reason}; fetch it again") from None
        except Exception as error:  # of unpickling; it has its own kinds
            raise InputError(
                f"{where}: cannot be loaded: {file.name}: {type(error).__name__}; fetch it again"
            ) from None
    return found


def stored_type(shapes: Shapes, config: Mapping[str, Any]) -> str:
    """Return what most weights of a checkpoint are stored in, such as `bfloat16`, or the method that packed them."""
    if isinstance(quantized := config.get("quantization_config"), Mapping):
        method = str(quantized.get("quant_method"))
        bits = quantized.get("bits") or quantized.get("w_bit")
        return f"{method} {bits}bit" if isinstance(bits, int) else method
    sizes: Counter[str] = Counter()
    for kind, shape in shapes.values():
        sizes[kind] += torch.Size(shape).numel()
    most, _ = sizes.most_common(1)[0] if sizes else ("unknown", 0)
    return _STORED.get(most, most.lower())


def refuse_no_language_model(config: Mapping[str, Any], where: str) -> None:
    """Make sure that a checkpoint was not saved as a model with another head.

    Raises:
        InputError: it was; its layers would be run with a head that it was not trained with.
    """
    saved_as = config.get("architectures")
    for name in saved_as if isinstance(saved_as, list) else ():
        if isinstance(name, str) and _NO_LANGUAGE_MODEL.search(name):
            raise InputError(
                f"{where}: it is a {name}, which predicts no tokens; name the language model it was made from"
            )


def refuse_no_model(folder: Path, where: str) -> None:
    """Make sure that a folder is a whole model in the transformers layout, with nothing that would change it.

    Raises:
        InputError: it is something else, or not complete. Whether an adapter that lies in it is applied would depend on
            what is installed.
    """
    names = sorted(file.name for file in folder.iterdir())
    has_config = "config.json" in names
    if "adapter_config.json" in names:
        of = _base_model(folder / "adapter_config.json")
        merge = "load it with peft, call merge_and_unload() and save_pretrained(), and name that folder"
        if has_config:
            raise InputError(f"{where}: {folder} holds whole weights and an adapter{of}; move that away, or {merge}")
        raise InputError(f"{where}: {folder} is an adapter{of} and no whole model; {merge}")
    if not has_config:
        inner = [name for name in names if (folder / name / "config.json").is_file()]
        gguf = [name for name in names if name.lower().endswith(".gguf")]
        remedy = f"; name one of its GGUF files, such as {gguf[0]}" if gguf else ""
        remedy = f"; the folders in it that have one: {_some(inner)}" if inner else remedy
        raise InputError(f"{where}: {folder} has no config.json, so it is not a transformers model{remedy}")
    if not weight_files(folder):
        missing = missing_weights(folder)
        others = [name for name in names if name.endswith((".onnx", ".h5", ".msgpack", ".gguf", ".ckpt", ".pth"))]
        remedy = f"; name a model that has them, or a conversion of {_some(others)}" if others else ""
        remedy = f"; {len(missing)} that its index names are not there: {_some(missing)}" if missing else remedy
        raise InputError(f"{where}: {folder} has no complete set of safetensors or PyTorch weights{remedy}")


def _base_model(file: Path) -> str:
    """Return which model an adapter is of, as ` of NAME`; nothing where it does not say."""
    try:
        base = json.loads(file.read_bytes()).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError):
        return ""
    return f" of {base}" if isinstance(base, str) and base.isprintable() else ""


def refuse_packed(shapes: Shapes, config: Mapping[str, Any], where: str) -> None:
    """Make sure that packed weights come with the word how to unpack them.

    Raises:
        InputError: there are some, and `config.json` has no `quantization_config`; they would be taken for numbers.
    """
    text = config.get("text_config")
    if config.get("quantization_config") or (isinstance(text, Mapping) and text.get("quantization_config")):
        return
    packed = {name: kind for name, (kind, shape) in shapes.items() if _PACKED.match(kind) and len(shape) > 1}
    if odd := [name for name in packed if not _TABLES.search(name) and not _MASK.search(name)]:
        raise InputError(
            f"{where}: the checkpoint holds packed weights ({_some(odd)}: {packed[odd[0]]}) and its config.json no "
            "'quantization_config' that says how to read them; fetch the config that belongs to it"
        )


def refuse_another_model(
    model: PreTrainedModel, report: Mapping[str, Any], shapes: Shapes, allowed: Sequence[str], where: str
) -> None:
    """Make sure that a model that was loaded has all of its weights from the checkpoint, and has all of the checkpoint.

    Args:
        model: as transformers built it from the config.
        report: what `from_pretrained` told of loading.
        shapes: what the files hold.
        allowed: patterns of tensors that the entry says may be left aside.
        where: address of the entry's field, for the error.

    Raises:
        InputError: weights are missing, have another size, or are left aside.
    """
    for name, stored, built in sorted(report.get("mismatched_keys", ())):
        raise InputError(
            f"{where}: '{name}' is {_size(stored)} in the checkpoint and {_size(built)} in the model of config.json; "
            "fetch the config that belongs to it"
        )
    if missing := sorted(report["missing_keys"]):
        # transformers would fill them with random numbers.
        raise InputError(f"{where}: the checkpoint lacks weights: {_some(missing)}")
    left = [name for name in sorted(report["unexpected_keys"]) if not _is_harmless(name, shapes)]
    beyond = sorted(set(_beyond_the_layers(model, shapes)) - set(left))
    aside = [name for name in (*left, *beyond) if not any(fnmatchcase(name, pattern) for pattern in allowed)]
    if aside:
        raise InputError(
            f"{where}: the checkpoint holds weights that the model of its config.json does not take: {_some(aside)}; "
            "correct the config, or if they are no part of the language model, list them under 'unused_weights'"
        )
    declared = model.get_expanded_tied_weights_keys(all_submodels=True)
    if untied := sorted(declared.keys() - model.all_tied_weights_keys.keys()):
        raise InputError(
            f"{where}: config.json ties '{untied[0]}' to '{declared[untied[0]]}', and the checkpoint holds two that "
            "differ; set tie_word_embeddings to what the model was trained with"
        )


def _beyond_the_layers(model: PreTrainedModel, shapes: Shapes) -> Iterable[str]:
    """Yield tensors of layers behind the last one that was built, and that are no head for further tokens."""
    built = {path: len(module) for path, module in model.named_modules() if isinstance(module, nn.ModuleList)}
    config = model.config.get_text_config().to_dict()
    heads = sum(value for name, value in config.items() if re.search("nextn|mtp", name) and type(value) is int)
    for name in shapes:
        match = re.match(r"(.*?)\.(\d+)\.", name)
        path = match[1] if match else ""
        size = built.get(path, built.get(f"{model.base_model_prefix}.{path}"))
        if match and size is not None and int(match[2]) >= size + heads:
            yield name


def _is_harmless(name: str, shapes: Shapes) -> bool:
    mask = _MASK.search(name) is not None and len(shapes.get(name, ("", ()))[1]) == 4
    return mask or _TABLES.search(name) is not None or _BESIDE.search(name) is not None


def _size(shape: Iterable[int]) -> str:
    return " × ".join(map(str, shape))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
