"""GGUF files of tiny models, written the way llama.cpp writes them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerFast


def write_gguf(
    path: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    fields: Mapping[str, Any] | None = None,
    tensors: Mapping[str, np.ndarray] | None = None,
    without: str = "",
) -> Path:
    """Write a Llama, or a model whose weights llama.cpp only renames.

    Args:
        path: of the file.
        model: tiny.
        tokenizer: a byte-level BPE.
        fields: of the architecture, added to the usual ones or instead of them; None leaves one out.
        tensors: more of them.
        without: beginning of the names of tensors to leave out.
    """
    config = model.config
    architecture = config.model_type.removesuffix("_text")
    usual = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "vocab_size": config.vocab_size,
    }
    writer = gguf.GGUFWriter(path, architecture)
    for name, value in (usual | dict(fields or {})).items():
        if value is not None:
            add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
            add.get(type(value), writer.add_array)(f"{architecture}.{name}", value)
    bpe = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(sorted(bpe["vocab"], key=bpe["vocab"].get))
    writer.add_token_merges([" ".join(merge) for merge in bpe["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_bos_token_id(tokenizer.eos_token_id)
    (number,) = (key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == architecture)
    names = gguf.get_tensor_name_map(number, config.num_hidden_layers)
    stored = {}
    for name, parameter in model.state_dict().items():
        stem, _, ending = name.rpartition(".")
        if not (name == "lm_head.weight" and config.tie_word_embeddings):
            weight = parameter.numpy()
            stored[f"{names.get_name(stem)}.{ending}"] = (
                _permuted(name, weight, config) if architecture == "llama" else weight
            )
    for name, weight in (stored | dict(tensors or {})).items():
        if not without or not name.startswith(without):
            writer.add_tensor(name, np.ascontiguousarray(weight))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _permuted(name: str, weight: np.ndarray, config: Any) -> np.ndarray:
    """Llama's queries and keys are stored with the two halves of each head's rotation interleaved."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for part, count in heads.items():
        if part in name:
            weight = weight.reshape(count, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)
    return weight
