"""A tiny random model of every model type that the installed transformers can build, without network.

One rule shrinks the default config of a type by the names of its fields; `OVERRIDES` holds what the rule cannot know.
The models are no use for text, but every layer of them changes the state, and each builds in a fraction of a second.
"""

import string
import warnings
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from torch import nn
from transformers import CONFIG_MAPPING, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from benchmark.errors import ExitBenchError
from benchmark.models.tasks import AUTO_CLASS, TYPES
from benchmark.trace.costs import Task

VOCABULARY = 128
_SPECIAL = ("<pad>", "<eos>", "<mask>", "<unk>")
LAYERS = 4
"""More where a type knows more kinds of layers than this."""
MAX_KINDS = 8
"""A list with more different entries than this names layers, not kinds of layers."""
MAX_PARAMETERS = 2_000_000
"""A type that the rule leaves larger is refused before its memory is taken."""

_LAYER_COUNTS = {
    "num_hidden_layers",
    "n_layer",
    "n_layers",
    "num_layers",
    "encoder_layers",
    "decoder_layers",
    "num_encoder_layers",
    "num_decoder_layers",
    "num_blocks",
    "num_self_attends_per_block",
    "depth",
    "num_global_layers",
    "conf_num_hidden_layers",
    "speech_encoder_layers",
    "t2u_encoder_layers",
    "t2u_decoder_layers",
}
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
_SIZES: dict[str, int] = {
    name: size
    for size, names in {
        256: """max_position_embeddings n_positions n_ctx max_seq_len model_max_length context_length
            max_encoder_position_embeddings max_decoder_position_embeddings max_source_positions max_target_positions
            max_2d_position_embeddings t2u_max_position_embeddings num_position_embeddings""",
        128: """image_size crop_size rel_extent codebook_size vocab_size_per_layer_input""",
        64: """intermediate_size ffn_dim encoder_ffn_dim decoder_ffn_dim d_ff dff dim_ff ffn_hidden_size d_inner
            intermediate_size_mlp dense_intermediate_size feed_forward_size mlp_dim mamba_d_ssm vision_output_dim
            speech_encoder_intermediate_size t2u_encoder_ffn_dim t2u_decoder_ffn_dim""",
        32: """hidden_size d_model n_embd dim emb_dim embedding_size embedding_dim embed_dim word_embed_proj_dim
            input_embedding_size output_embedding_size hidden_size_per_layer_input hidden_size_global hidden_dim
            moe_intermediate_size shared_expert_intermediate_size shared_experts_intermediate_size lru_width
            expert_ffn_hidden_size shared_intermediate_size moe_shared_expert_intermediate_size pooler_hidden_size
            prediction_head_size pronunciation_embed_dim shape_embed_dim entity_emb_size d_latents true_hidden_size
            intra_bottleneck_size backbone_hidden_size encoder_hidden_size audio_hidden_size out_hidden_size output_dim
            output_channels base_channels adapter_in_dim adapter_input_size adapter_out_dim ext_pw_out_channel
            nemo_conv_channels depthwise_separable_out_channel downsample_hidden_size""",
        24: "original_max_position_embeddings index_topk keep_window_size",
        16: """q_lora_rank kv_lora_rank o_lora_rank laurel_rank adapter_rank hc_lowrank index_head_dim
            router_hidden_size""",
        8: """head_dim d_kv d_head dim_head attention_head_size kv_channels qk_nope_head_dim qk_rope_head_dim v_head_dim
            linear_head_dim linear_key_head_dim linear_value_head_dim swa_head_dim rotary_dim query_pre_attn_scalar
            mamba_n_heads mamba_d_head mamba_num_heads mamba_head_dim mamba_d_state state_size ssm_state_size
            mamba_chunk_size chunk_size attention_chunk_size sliding_window sliding_window_size attention_window
            attention_window_size window_size local_attention num_latents num_filters""",
        4: """num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads
            num_encoder_attention_heads num_decoder_attention_heads num_self_attention_heads num_cross_attention_heads
            attention_heads swa_num_attention_heads num_attention_heads_per_layer linear_num_heads
            linear_num_value_heads num_query_groups conf_num_attention_heads speech_encoder_attention_heads
            t2u_encoder_attention_heads t2u_decoder_attention_heads num_experts num_local_experts n_routed_experts
            moe_num_experts zero_expert_num time_step_rank mamba_dt_rank""",
        2: """num_key_value_heads num_kv_heads kv_n_heads swa_num_key_value_heads linear_num_key_heads index_n_heads
            num_experts_per_tok num_experts_per_token moe_topk moe_top_k moe_k n_group num_expert_group n_groups
            mamba_n_groups mamba_ngroups o_groups""",
        1: "topk_group first_k_dense_replace",
    }.items()
    for name in names.split()
}
"""The largest value a field of this name may have."""

_ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
OVERRIDES: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1, 3]},
    "big_bird": {"attention_type": "original_full"},  # it would switch to this by itself, for good, on a short input
    "bigbird_pegasus": {"attention_type": "original_full"},
    "blt": {"encoder_hash_byte_group_vocab": VOCABULARY},
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "rope_parameters": {"sliding_attention": _ROPE, "full_attention": _ROPE},
    },
    "dbrx": {"attn_config": {"rope_theta": 10000.0, "clip_qkv": 8.0}},
    "deepseek_v2": {"num_experts_per_tok": 2, "first_k_dense_replace": 1},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1},
    "dots3_note_text": {
        "swa_num_attention_heads": 4,
        "swa_num_key_value_heads": 4,
        "swa_q_lora_rank": 16,
        "swa_kv_lora_rank": 16,
        "swa_head_dim": 16,
        "swa_qk_nope_head_dim": 8,
        "swa_v_head_dim": 8,
    },
    "encoder-decoder": {
        "decoder": {"is_decoder": True, "add_cross_attention": True},
        "decoder_start_token_id": 0,
    },
    "esm": {"vocab_size": VOCABULARY, "pad_token_id": 1, "mask_token_id": 32},
    "falcon_h1": {"embedding_multiplier": 2.0, "lm_head_multiplier": 0.5},
    "gemma3n_text": {"num_kv_shared_layers": 2},
    "gemma4_text": {"global_head_dim": 16},
    "gemma4_unified_text": {"global_head_dim": 16},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "granite": {"embedding_multiplier": 2.0, "residual_multiplier": 0.5, "logits_scaling": 4.0},
    "granitemoehybrid": {"layer_types": ["linear_attention", "full_attention"] * 2, "logits_scaling": 4.0},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8, "num_experts": 4, "moe_topk": 2},
    "jamba": {"attn_layer_period": 4, "attn_layer_offset": 2},
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "llama4_text": {"interleave_moe_layer_step": 2},
    "longt5": {"decoder_start_token_id": 0},
    "mamba2": {"num_heads": 8},
    "ministral": {"head_dim": 8},
    "mllama_text_model": {"cross_attention_layers": [1]},
    "nemotron": {"num_key_value_heads": 2},
    "neomme": {"head_dim": 16},
    "qwen4_exp_text": {
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": 8,
        "indexer_compress_ratio": 2,
    },
    "reformer": {"axial_pos_embds": False, "hash_seed": 0},  # without a seed no two passes are the same
    "switch_transformers": {"decoder_start_token_id": 0},
    "t5": {"decoder_start_token_id": 0},
    "vibevoice_acoustic_tokenizer_encoder": {"num_filters": 2, "depths": [1] * 7},
    "xlstm": {"hidden_size": 128, "embedding_dim": 128},  # its cache rounds head sizes up to a multiple of 64
    "xmod": {"default_language": "en_XX"},
}
"""What the rule cannot know, by the `model_type` of a config; a nested table is for the sub-config of that name."""


class CannotBuild(ExitBenchError):
    """There is no tiny model of a type; the message says why in one line."""


def model_types(task: Task) -> list[str]:
    """Every model type that the installed transformers lists for the task, in alphabetical order."""
    return sorted(name for name in TYPES[task] if name in CONFIG_MAPPING)


def tiny_config(model_type: str, task: Task, **overrides: Any) -> PretrainedConfig:
    """Shrink the default config of a model type; `overrides` are fields of it and win over everything else."""
    decoder = {"is_decoder": True} if task == "causal" else {}  # else the BERT family would look ahead
    return _shrink(CONFIG_MAPPING[model_type], decoder | overrides)


def tiny_model(model_type: str, task: Task, seed: int = 0, **overrides: Any) -> PreTrainedModel:
    """Build a random float32 model in evaluation mode, the same for the same seed.

    Raises:
        CannotBuild: transformers cannot make the config or the model, or the model would not be small.
    """
    auto = AUTO_CLASS[task]
    try:
        config = tiny_config(model_type, task, **overrides)
        with torch.device("meta"), warnings.catch_warnings(action="ignore"):
            size = sum(parameter.numel() for parameter in auto.from_config(config).parameters())
        if size > MAX_PARAMETERS:
            raise ValueError(f"{size:,} parameters are not tiny")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model: PreTrainedModel = auto.from_config(config, dtype=torch.float32)
            _perturb(model)
    except ImportError as error:  # it names the first of the packages that happens to be missing
        raise CannotBuild(f"no tiny {model_type} for {task}: packages of its other parts are not installed") from error
    except Exception as error:  # whatever a model's code may raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CannotBuild(f"no tiny {model_type} for {task}: {reason}") from error
    return model.eval()


def _shrink(kind: type[PretrainedConfig], overrides: Mapping[str, Any]) -> PretrainedConfig:
    """Make a small config of a class: the rule by field names, then `OVERRIDES`, then `overrides`.

    Only fields that change are given to the class, so that it derives the others from them.
    """
    chosen = deepcopy(OVERRIDES.get(kind.model_type, {}) | dict(overrides))  # configs rewrite the tables they are given
    try:
        default = kind()
    except Exception:  # a few types have no valid default
        default = kind(**chosen)
    fields = {name: value for name, value in vars(default).items() if not name.startswith("_")}
    patterns = {name: kinds for name, value in fields.items() if (kinds := _kinds_of_layers(value, fields))}
    longest = max((len(kinds) for kinds in patterns.values()), default=0)
    layers = chosen.get("num_hidden_layers", max(LAYERS, longest + longest % 2))
    small: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, PretrainedConfig):
            small[name] = _shrink(type(value), chosen.pop(name, {}))
        elif name == "rope_parameters" and isinstance(value, dict):
            small[name] = {key: _smaller(key, item, layers) for key, item in value.items()}
        elif name in patterns:
            small[name] = [_smaller(name, patterns[name][i % len(patterns[name])], layers) for i in range(layers)]
        elif name in ("num_key_value_heads", "num_kv_heads") and any(value == fields.get(heads) for heads in _HEADS):
            small[name] = _SIZES["num_attention_heads"]  # some types cannot share keys and values among heads
        else:
            small[name] = _smaller(name, value, layers)
    return kind(**({name: value for name, value in small.items() if value is not fields[name]} | chosen))


def _kinds_of_layers(value: object, fields: Mapping[str, Any]) -> list[Any]:
    """The different entries, in order of appearance, of a list with one entry for each layer; else nothing."""
    counts = [fields[name] for name in _LAYER_COUNTS & fields.keys()]
    if not isinstance(value, list | tuple) or len(value) not in counts:
        return []
    kinds = list(dict.fromkeys(value)) if all(isinstance(entry, str | int | float) for entry in value) else []
    return kinds if len(kinds) <= MAX_KINDS else []


def _smaller(name: str, value: Any, layers: int) -> Any:
    """The tiny value of one field; the same object where the rule has nothing to say."""
    if name.endswith(("token_id", "token_index")):
        largest = max(value) if isinstance(value, list | tuple) and value else value
        if isinstance(largest, int) and largest >= VOCABULARY:
            return {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}.get(name, VOCABULARY - 1)
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if name in _LAYER_COUNTS:
        return layers
    return min(value, VOCABULARY if name.endswith("vocab_size") else _SIZES.get(name, value))


def _perturb(model: nn.Module, matrices: float = 0.15, vectors: float = 0.05) -> None:
    """Add noise of these standard deviations, so that no zero gate, unit scale or narrow init hides a layer."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * (matrices if parameter.ndim > 1 else vectors))


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """One token a letter: pad, end of text, mask, unknown, then what is printable in ASCII. Fits `VOCABULARY`."""
    letters = dict.fromkeys(f"{string.ascii_letters}{string.digits} .,:;?!{string.printable}")
    vocabulary = {token: number for number, token in enumerate((*_SPECIAL, *letters))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", mask_token="<mask>", unk_token="<unk>"
    )
