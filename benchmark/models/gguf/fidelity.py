"""Whether what transformers reads from a GGUF file is the model that the file holds.

Its reader takes what it knows and drops the rest in silence: a tensor that no module of its model has, such as the
frequencies of Llama 3's rotation, and fields that its table of the architecture lacks, such as a rotation that is
scaled. So every tensor must have been taken, and every field of the architecture must agree with the configuration.
A field that is left out means what llama.cpp, which defines the format, takes it to mean.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import gguf
import numpy as np
from transformers import PreTrainedConfig, PreTrainedModel

from benchmark.errors import InputError
from benchmark.messages import cut

_REMEDY = "so the model would be another one; use the transformers checkpoint of this model"
_DESCRIPTIVE = {
    "context_length",
    "rope.scaling.finetuned",
    # Without a factor, which is looked at, they scale nothing.
    "rope.scaling.original_context_length",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "rope.scaling.yarn_ext_factor",
    "rope.scaling.yarn_log_multiplier",
    # Lengths of tensors: loading fails where they are not those of the model.
    "embedding_length",
    "expert_count",
    "expert_feed_forward_length",
    "expert_shared_feed_forward_length",
    "feed_forward_length",
}
"""Fields that on their own change no logit."""
_EPSILONS = ("rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps", "norm_eps", "norm_epsilon")
_NEEDED = [("attention.head_count",), ("attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon")]
"""Fields without which llama.cpp reads no file, and transformers takes what some model has."""
_CLOSE = 1e-5
"""Relative: a file holds numbers in single precision, a configuration the decimal ones."""


def refuse_another_model(
    reader: gguf.GGUFReader, model: PreTrainedModel, report: Mapping[str, Collection[Any]], where: str
) -> None:
    """Make sure that a model is the one in the file it was read from.

    Args:
        reader: of the file.
        model: as transformers read it.
        report: of transformers, with the names of tensors for which the model has no place, or one of another shape.
        where: address of the YAML field that named the file, and the file, for the error.

    Raises:
        InputError: it is not; names a tensor or a field that was dropped.
    """
    counted = [tensor for tensor in reader.tensors if _counts(tensor, reader, model.config)]
    dropped = list(_dropped_tensors(reader, counted, model, report["unexpected_keys"]))
    dropped += [
        *_dropped_fields(reader, model.config),
        *(f"has {name} in another shape than transformers" for name, *_ in sorted(report["mismatched_keys"])),
    ]
    if dropped:
        more = f" (and {len(dropped) - 1} more)" if len(dropped) > 1 else ""
        raise InputError(f"{where} {dropped[0]}{more}, {_REMEDY}")
    held, taken = sum(int(tensor.n_elements) for tensor in counted), _size(model)
    if held != taken:
        raise InputError(f"{where} holds {held:,} weights, of which transformers reads {taken:,}, {_REMEDY}")


def _counts(tensor: gguf.ReaderTensor, reader: gguf.GGUFReader, config: PreTrainedConfig) -> bool:
    """Whether a tensor has to be in the model."""
    if tensor.name.startswith("rope_f") and bool((_numbers(tensor) == 1).all()):
        return False  # frequencies that are divided by one
    if tensor.name == "output.weight" and config.tie_word_embeddings:
        return False  # is compared with the embedding
    layer = tensor.name.split(".")[1] if tensor.name.startswith("blk.") else ""
    # Behind the layers of the model are those that guess the tokens after the next.
    guesses = _field(reader, "nextn_predict_layers") or 0
    return not (layer.isdigit() and 0 <= int(layer) - config.num_hidden_layers < guesses)


def _numbers(tensor: gguf.ReaderTensor) -> np.ndarray:
    return gguf.dequantize(tensor.data, tensor.tensor_type)


def _size(model: PreTrainedModel) -> int:
    """Number of elements of a model's state; what two names share counts once."""
    state = {tensor.data_ptr(): tensor.numel() for tensor in model.state_dict().values() if tensor.numel()}
    return sum(state.values())


def _dropped_tensors(
    reader: gguf.GGUFReader,
    counted: Collection[gguf.ReaderTensor],
    model: PreTrainedModel,
    unexpected: Collection[str],
) -> Iterator[str]:
    names = _names_taken(reader, model)
    for tensor in counted:
        # An expert's matrix is found without its ending: the model has those of all experts in one tensor.
        if tensor.name in unexpected or not (
            names is None or tensor.name in names or tensor.name.removesuffix(".weight") in names
        ):
            yield f"holds {tensor.name}, which transformers does not read"
    ends = [_numbers(tensor) for tensor in reader.tensors if tensor.name in ("output.weight", "token_embd.weight")]
    if model.config.tie_word_embeddings and len(ends) == 2 and not np.array_equal(ends[0], ends[1]):
        yield "holds an output.weight of its own, for which transformers takes token_embd.weight"


def _names_taken(reader: gguf.GGUFReader, model: PreTrainedModel) -> set[str] | None:
    """Names of the tensors that the older of transformers' two readers takes; None if the newer one reads the file."""
    try:
        from transformers.integrations.gguf.utils import is_gguf_arch_supported
        from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor, get_gguf_hf_weights_map
    except ImportError:
        return None
    architecture = _architecture(reader)
    if is_gguf_arch_supported(architecture):
        return None  # it says itself what is unexpected
    processor = TENSOR_PROCESSORS.get(architecture, TensorProcessor)(config=model.config.to_dict())
    return set(get_gguf_hf_weights_map(model, processor))


def _dropped_fields(reader: gguf.GGUFReader, config: PreTrainedConfig) -> Iterator[str]:
    own = f"{_architecture(reader)}."
    names = [key.removeprefix(own) for key in reader.fields if key.startswith(own)]
    held = {name: _field(reader, name) for name in names}
    for name, value in held.items():
        if not _agrees(name, value, config, held):
            shown = f"{value:g}" if isinstance(value, float) else cut(value)
            yield f"holds {own}{name} = {shown}, which transformers does not read"
    for either in _NEEDED:
        if not held.keys() & set(either):
            yield f"has no {own}{either[0]}, for which transformers takes what another model has"
    for name, value in _when_absent(config).items():
        for has in _MEANINGS[name](config):
            if name not in held and has is not None and not _same(value, has):
                yield f"has no {own}{name}, which is {value:g} then, and transformers takes {has:g}"
    # Few files say how products of queries and keys are scaled; where they do not, the length of a head does.
    scalar, length = getattr(config, "query_pre_attn_scalar", None), _head_length(config)
    if scalar is not None and "attention.scale" not in held and not _same(length, scalar):
        yield f"scales attention by heads of length {length}, and transformers by {scalar}"


def _when_absent(config: PreTrainedConfig) -> dict[str, float]:
    """What llama.cpp takes for fields that are left out, where configurations of transformers differ in theirs."""
    return {"rope.freq_base": 10_000.0, "rope.dimension_count": _head_length(config), "attention.sliding_window": 0}


def _agrees(name: str, value: Any, config: PreTrainedConfig, held: dict[str, Any]) -> bool:
    """Whether a field says what the configuration says, or nothing."""
    if name in _DESCRIPTIVE:
        return True
    if name == "block_count":
        value -= held.get("nextn_predict_layers", 0)
    if name == "attention.sliding_window_pattern" and not isinstance(value, list):
        value = [number % value != 0 if value else False for number in range(1, config.num_hidden_layers + 1)]
    if name in _MEANINGS:
        meant = [has for has in _MEANINGS[name](config) if has is not None]
        return all(_same(value, has) for has in meant) if meant else _is_neutral(name, value)
    # Many have the name that they have in transformers.
    has = getattr(config, name.rpartition(".")[2], None)
    return _is_neutral(name, value) if has is None else _same(value, has)


def _is_neutral(name: str, value: Any) -> bool:
    """Whether a value says that there is no such thing."""
    if isinstance(value, list):
        return all(_is_neutral(name, item) for item in value)
    if isinstance(value, str):
        return value in ("", "none") or (name == "rope.scaling.type" and value == "linear")
    return value == 0 or (value == 1 and name.endswith(("scale", "scale_linear", "factor", "alpha")))


def _same(value: Any, has: Any) -> bool:
    """Whether a file's value and a configuration's are equal; one of several layers may stand for all."""
    if isinstance(value, list) or isinstance(has, list):
        values, those = ([side] if not isinstance(side, list) else side for side in (value, has))
        length = max(len(values), len(those))
        values, those = (side * length if len(side) == 1 else side for side in (values, those))
        return len(values) == len(those) and all(map(_same, values, those))
    if isinstance(value, str) or isinstance(has, str):
        return bool(value == has)
    return math.isclose(value, has, rel_tol=_CLOSE)


def _head_length(config: PreTrainedConfig) -> int:
    return getattr(config, "head_dim", None) or config.hidden_size // getattr(config, "num_attention_heads", 1)


def _rotation(config: PreTrainedConfig, kind: str = "full_attention") -> dict[str, Any]:
    parameters = getattr(config, "rope_parameters", None) or {}
    return parameters[kind] if isinstance(parameters.get(kind), dict) else parameters


def _rotated_length(config: PreTrainedConfig) -> int | None:
    if not _rotation(config):
        return None
    share = _rotation(config).get("partial_rotary_factor", getattr(config, "partial_rotary_factor", None))
    return getattr(config, "rotary_dim", None) or int(_head_length(config) * (1 if share is None else share))


def _kv_heads(config: PreTrainedConfig) -> int | list[int]:
    heads: Any = getattr(config, "num_key_value_heads", None) or getattr(config, "num_attention_heads", 0)
    # Layers without attention are told by having none.
    kinds = getattr(config, "layer_types", None) or []
    return [0 if kind == "conv" else heads for kind in kinds] if "conv" in kinds else heads


def _slides(config: PreTrainedConfig) -> list[bool] | None:
    """Which layers attend to a window only, one after the other."""
    return [kind == "sliding_attention" for kind in getattr(config, "layer_types", None) or []] or None


def _interval(config: PreTrainedConfig) -> int | None:
    """Every how manieth layer attends to everything."""
    kinds = getattr(config, "layer_types", None) or []
    full = [number for number, kind in enumerate(kinds, start=1) if kind == "full_attention"]
    return full[0] if full and full == list(range(full[0], len(kinds) + 1, full[0])) else None


def _value_width(config: PreTrainedConfig) -> int | None:
    """Length of the values of all heads of a linear attention, or of a state-space layer."""
    heads = getattr(config, "linear_num_value_heads", None)
    return heads * config.linear_value_head_dim if heads else config.intermediate_size


def _sections(config: PreTrainedConfig) -> list[int] | None:
    sections = _rotation(config).get("mrope_section")
    return [*sections, *[0] * (4 - len(sections))] if sections else None


def _gate(config: PreTrainedConfig) -> int:
    """Number of the function that chooses experts; none of them if it is unknown."""
    return {"none": 0, "softmax": 1, "sigmoid": 2}.get(getattr(config, "scoring_func", "softmax"), -1)


def _layout(config: PreTrainedConfig) -> str:
    """How the rows of queries, keys and values are ordered."""
    return "jploski" if getattr(config, "multi_query", False) else "Meta AI original pth"


def _architecture(reader: gguf.GGUFReader) -> str:
    return str(reader.fields["general.architecture"].contents())


def _field(reader: gguf.GGUFReader, name: str) -> Any:
    """Value of a field of the architecture; None if the file has none of that name."""
    field = reader.fields.get(f"{_architecture(reader)}.{name}")
    return None if field is None else field.contents()


def _any_of(*names: str) -> Callable[[PreTrainedConfig], list[Any]]:
    return lambda config: [getattr(config, name, None) for name in names]


def _one(meaning: Callable[[PreTrainedConfig], Any]) -> Callable[[PreTrainedConfig], list[Any]]:
    return lambda config: [meaning(config)]


_MEANINGS: dict[str, Callable[[PreTrainedConfig], list[Any]]] = {
    "block_count": _any_of("num_hidden_layers"),
    "attention.head_count": _any_of("num_attention_heads"),
    "attention.head_count_kv": _one(_kv_heads),
    "attention.key_length": _one(lambda config: getattr(config, "global_head_dim", None) or _head_length(config)),
    "attention.value_length": _one(lambda config: getattr(config, "global_head_dim", None) or _head_length(config)),
    "attention.key_length_swa": _one(_head_length),
    "attention.value_length_swa": _one(_head_length),
    "attention.layer_norm_epsilon": _any_of(*_EPSILONS),
    "attention.layer_norm_rms_epsilon": _any_of(*_EPSILONS),
    "attention.sliding_window": _any_of("sliding_window"),
    "attention.sliding_window_pattern": _one(_slides),
    "attention.shared_kv_layers": _any_of("num_kv_shared_layers"),
    "attention.scale": _one(
        lambda config: (getattr(config, "query_pre_attn_scalar", None) or _head_length(config)) ** -0.5
    ),
    "attention.causal": _one(lambda config: True),
    "rope.freq_base": _one(lambda config: _rotation(config).get("rope_theta")),
    "rope.freq_base_swa": _one(lambda config: _rotation(config, "sliding_attention").get("rope_theta")),
    "rope.dimension_count": _one(_rotated_length),
    "rope.dimension_sections": _one(_sections),
    "expert_used_count": _any_of("num_experts_per_tok"),
    "expert_weights_norm": _any_of("norm_topk_prob"),
    "expert_weights_scale": _any_of("routed_scaling_factor"),
    "expert_gating_func": _one(_gate),
    "embedding_length_per_layer_input": _any_of("hidden_size_per_layer_input"),
    "ssm.conv_kernel": _any_of("conv_kernel", "linear_conv_kernel_dim"),
    "ssm.state_size": _any_of("state_size", "linear_key_head_dim"),
    "ssm.group_count": _any_of("n_groups", "linear_num_key_heads"),
    "ssm.time_step_rank": _any_of("time_step_rank", "linear_num_value_heads"),
    "ssm.inner_size": _one(_value_width),
    "shortconv.l_cache": _any_of("conv_L_cache"),
    "full_attention_interval": _one(_interval),
    "nextn_predict_layers": _one(lambda config: None),
    "tensor_data_layout": _one(_layout),
}
"""What a configuration says of the same thing, by the name of the field; None, or nothing, if it has no such thing."""
