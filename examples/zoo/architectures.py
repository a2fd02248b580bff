"""Models of equal size: the width inside of layers is chosen so that each has the parameters that it is asked for."""

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    GraniteMoeHybridConfig,
    LlamaConfig,
    Mamba2Config,
    MixtralConfig,
    PreTrainedConfig,
    PreTrainedModel,
)

from benchmark.errors import InputError
from examples.zoo.entries import Entry

HEAD = 32
"""Size of a head, in attention and in Mamba-2."""
STATE = 32
"""Size of Mamba-2's state for each channel."""
CHUNK = 32
"""Tokens that Mamba-2 computes at once; of 32, 64 and 128 the fastest on a CPU."""
EXPERTS, CHOSEN = 8, 2
"""Experts of a layer, and how many of them a token meets."""
ALIGNED = 4
"""Channels come in multiples of this: kernels that multiply with several experts at once need rows of 16 bytes."""
_HYBRID = ("linear_attention", "linear_attention", "linear_attention", "full_attention")
TOLERANCE = 0.05


def config_of(entry: Entry, inner: int, vocabulary: int) -> PreTrainedConfig:
    """Return the config of an entry whose layers are so wide inside.

    Args:
        entry: architecture, layers and width.
        inner: of feed-forward layers or experts the number of channels, of Mamba-2 its multiple of the width.
        vocabulary: number of tokens; 0 is the end of text.
    """
    common = {
        "vocab_size": vocabulary,
        "hidden_size": entry.width,
        "num_hidden_layers": entry.layers,
        "tie_word_embeddings": entry.tied,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": None,
        # What a matrix gives is then as large as what it is given. With 0.02, which is for wide models, the dense one
        # lost 0.6 nats a token more after 320 steps.
        "initializer_range": entry.width**-0.5,
    }
    heads = entry.width // HEAD
    attention = {
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "max_position_embeddings": 4 * entry.context,
    }
    match entry.architecture:
        case "dense":
            return LlamaConfig(**common, **attention, intermediate_size=inner)
        case "moe":
            return MixtralConfig(
                **common,
                **attention,
                intermediate_size=inner,
                num_local_experts=EXPERTS,
                num_experts_per_tok=CHOSEN,
                router_aux_loss_coef=0.02,
            )
        case "mamba2":
            return Mamba2Config(
                **common,
                expand=inner,
                num_heads=inner * heads,
                head_dim=HEAD,
                n_groups=1,
                state_size=STATE,
                chunk_size=CHUNK,
            )
        case "hybrid":
            return GraniteMoeHybridConfig(
                **common,
                **attention,
                attention_multiplier=HEAD**-0.5,
                shared_intermediate_size=inner,
                num_local_experts=0,
                num_experts_per_tok=0,
                layer_types=[_HYBRID[layer % len(_HYBRID)] for layer in range(entry.layers)],
                position_embedding_type="rope",
                mamba_expand=2,
                mamba_n_heads=2 * heads,
                mamba_d_head=HEAD,
                mamba_d_state=STATE,
                mamba_chunk_size=CHUNK,
            )


def count(model: nn.Module, counted: str = "total") -> int:
    """Return the parameters outside of embedding and head; of experts, if `active`, those that a token meets."""
    total = 0
    for name, parameter in model.named_parameters():
        if "embed" in name or name.startswith("lm_head"):
            continue
        share = CHOSEN / EXPERTS if counted == "active" and ".experts." in name else 1
        total += int(parameter.numel() * share)
    return total


def sized_config(entry: Entry, vocabulary: int) -> PreTrainedConfig:
    """Return the config of an entry, as wide inside as its number of parameters asks for.

    Raises:
        InputError: no width inside comes within 5 % of it.
    """

    def size(inner: int) -> int:
        with torch.device("meta"):
            return count(AutoModelForCausalLM.from_config(config_of(entry, inner, vocabulary)), entry.counted)

    # The number of parameters is linear in the width inside, so two counts tell where it is met.
    step = 1 if entry.architecture == "mamba2" else ALIGNED
    one, two = size(step), size(2 * step)
    inner = step * max(1, round(1 + (entry.parameters - one) / (two - one)))
    met = size(inner)
    if abs(met - entry.parameters) > TOLERANCE * entry.parameters:
        what = f"{entry.architecture} of {entry.layers} layers and width {entry.width}"
        raise InputError(
            f"{entry.name}: field 'parameters': {entry.parameters:,} cannot be met within 5 % by {what}, "
            f"whose nearest is {met:,}; change one of the three"
        )
    return config_of(entry, inner, vocabulary)


def new_model(entry: Entry, seed: int, vocabulary: int) -> PreTrainedModel:
    """Return a model with random weights that the seed decides."""
    config = sized_config(entry, vocabulary)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32)
