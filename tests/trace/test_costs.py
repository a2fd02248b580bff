"""What a model is and what a token costs in it, on tiny random models whose weights can be counted by hand."""

import copy
from typing import Any

import pytest
import torch
from accelerate import cpu_offload
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM, PreTrainedModel

from benchmark.anatomy.layers import Anatomy, find_anatomy
from benchmark.anatomy.token_costs import read_costs
from benchmark.tools.tiny_models import tiny_model
from benchmark.trace.costs import Costs, Task, architecture

V, D, F, KV = 48, 16, 40, 8
"""Vocabulary, state, feed-forward, and keys (or values): two heads of four."""
SHAPE: dict[str, Any] = {
    "vocab_size": V,
    "hidden_size": D,
    "intermediate_size": F,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
}
ATTENTION = 2 * D * D + 2 * D * KV
MLP = 3 * D * F


def llama(**overrides: Any) -> LlamaForCausalLM:
    return LlamaForCausalLM(LlamaConfig(**(SHAPE | overrides))).eval()


def mixtral() -> MixtralForCausalLM:
    config = MixtralConfig(**SHAPE, num_local_experts=4, num_experts_per_tok=2)
    return MixtralForCausalLM(config).eval()


def anatomy_of(model: PreTrainedModel, task: Task = "causal") -> Anatomy:
    return find_anatomy(model, task, torch.arange(3, 10)[None])


def costs_of(model: PreTrainedModel, task: Task = "causal") -> Costs:
    return read_costs(model, anatomy_of(model, task), task)


def kinds(model_type: str, task: Task = "causal") -> list[str]:
    return [layer.kind for layer in costs_of(tiny_model(model_type, task), task).layers]


def test_every_layer_of_a_llama_costs_its_weights() -> None:
    for layer in costs_of(llama()).layers:
        assert (layer.kind, layer.weight_bytes) == ("attention", 4 * (ATTENTION + MLP + 2 * D))
        assert layer.flops == 2 * (ATTENTION + MLP)


def test_a_skipped_llama_layer_owes_keys_values_and_the_norm_before_them() -> None:
    for layer in costs_of(llama()).layers:
        assert (layer.owed_bytes, layer.owed_flops) == (4 * (2 * D * KV + D), 2 * 2 * D * KV)


@pytest.mark.parametrize("tied", [False, True])
def test_the_head_costs_the_same_tied_or_not(tied: bool) -> None:
    costs = costs_of(llama(tie_word_embeddings=tied))
    assert (costs.head_bytes, costs.head_flops) == (4 * (V * D + D), 2 * V * D)
    assert (costs.embedding_bytes, costs.embedding_flops) == (4 * D, 0)
    assert costs.parameters == 3 * (ATTENTION + MLP + 2 * D) + (1 if tied else 2) * V * D + D


def test_half_precision_halves_the_bytes_and_nothing_else() -> None:
    model = llama()
    single, half = costs_of(model), costs_of(copy.deepcopy(model).to(torch.bfloat16))
    assert [layer.weight_bytes for layer in half.layers] == [layer.weight_bytes // 2 for layer in single.layers]
    assert [layer.flops for layer in half.layers] == [layer.flops for layer in single.layers]
    assert half.head_bytes == single.head_bytes // 2


@pytest.mark.parametrize("model_type", ["llama", "qwen2", "gemma2", "phi", "stablelm", "olmo2"])
def test_layers_head_and_embedding_are_the_whole_dense_model(model_type: str) -> None:
    model = tiny_model(model_type, "causal", tie_word_embeddings=False)
    costs = costs_of(model)
    table = model.get_input_embeddings().weight
    read = sum(layer.weight_bytes for layer in costs.layers) + costs.head_bytes + 4 * table.numel()
    assert read == 4 * costs.parameters
    assert costs.embedding_bytes == 4 * table.shape[1]
    assert costs.active_parameters == costs.parameters == sum(parameter.numel() for parameter in model.parameters())


def test_a_mixtral_layer_costs_the_two_of_four_experts_that_run() -> None:
    costs = costs_of(mixtral())
    for layer in costs.layers:
        assert layer.kind == "attention+moe"
        assert layer.weight_bytes == 4 * (ATTENTION + 2 * MLP + 4 * D + 2 * D)
        assert layer.flops == 2 * (ATTENTION + 2 * MLP + 4 * D)
    assert costs.parameters - costs.active_parameters == 3 * 2 * MLP


@pytest.mark.parametrize("model_type", ["olmoe", "qwen3_moe", "dbrx", "gpt_oss", "llama4_text", "jetmoe"])
def test_experts_of_every_make_are_active_in_part(model_type: str) -> None:
    costs = costs_of(tiny_model(model_type, "causal"))
    assert costs.active_parameters < costs.parameters
    assert architecture("causal", costs) == "moe"


def test_shared_experts_are_always_active() -> None:
    model = tiny_model("qwen2_moe", "causal")
    costs = costs_of(model)
    experts = sum(p.numel() for name, p in model.named_parameters() if "experts" in name.split("."))
    assert costs.parameters - costs.active_parameters == experts // 2


def test_a_fused_query_key_value_matrix_owes_two_thirds() -> None:
    model = tiny_model("gpt2", "causal")
    block = model.transformer.h[0]
    fused, norm = block.attn.c_attn, block.ln_1
    owed = (fused.weight.numel() + fused.bias.numel()) * 2 // 3 + norm.weight.numel() + norm.bias.numel()
    assert {layer.owed_bytes for layer in costs_of(model).layers} == {4 * owed}


def test_keys_and_values_of_other_layers_are_not_owed() -> None:
    first, *_, last = costs_of(tiny_model("gemma3n_text", "causal")).layers
    assert (first.kind, last.kind) == ("attention", "attention")
    assert first.owed_bytes
    assert last.owed_bytes == 0


def test_a_decoder_reads_no_keys_and_values_of_its_encoder_for_a_token() -> None:
    model = tiny_model("bart", "encoder-decoder")
    layer = model.model.decoder.layers[0]
    once = [*layer.encoder_attn.k_proj.parameters(), *layer.encoder_attn.v_proj.parameters()]
    every = sum(p.numel() for p in layer.parameters()) - sum(p.numel() for p in once)
    assert costs_of(model, "encoder-decoder").layers[0].weight_bytes == 4 * every


def test_a_recurrent_layer_owes_its_state_but_not_its_output() -> None:
    model = tiny_model("mamba", "causal")
    layer = costs_of(model).layers[0]
    mixer = model.backbone.layers[0].mixer
    unneeded = [mixer.out_proj.weight, mixer.D, mixer.in_proj.weight[: len(mixer.in_proj.weight) // 2]]
    # The state is x ⊗ B, decayed by dt: of x, dt, B and C only C is for the output.
    read_out = mixer.x_proj.weight[-mixer.ssm_state_size :]
    assert layer.owed_bytes == layer.weight_bytes - 4 * sum(weight.numel() for weight in [*unneeded, read_out])


@pytest.mark.parametrize(
    ("model_type", "expected"),
    [
        ("llama", ["attention"] * 4),
        ("deepseek_v3", ["attention", *["attention+moe"] * 3]),
        ("nemotron_h", ["recurrent", "moe", "attention", "mlp"]),
        ("falcon_h1", ["attention+recurrent"] * 4),
        ("qwen3_next", ["recurrent+moe", "attention+moe"] * 2),
        ("recurrent_gemma", ["recurrent", "recurrent", "attention", "recurrent"]),
        ("openai-gpt", ["attention"] * 4),
        ("xlstm", ["recurrent"] * 4),
    ],
)
def test_the_kind_of_each_layer(model_type: str, expected: list[str]) -> None:
    assert kinds(model_type) == expected


ARCHITECTURES: list[tuple[Task, str, list[str]]] = [
    ("causal", "dense", ["llama", "gpt2", "opt", "gemma2", "gemma3_text", "gemma3n_text", "cohere2", "minicpm3"]),
    ("causal", "moe", ["mixtral", "olmoe", "qwen3_moe", "deepseek_v3", "gpt_oss"]),
    ("causal", "ssm", ["mamba", "mamba2", "falcon_mamba", "rwkv"]),
    ("causal", "hybrid", ["jamba", "zamba2", "bamba", "granitemoehybrid", "nemotron_h", "falcon_h1"]),
    ("causal", "hybrid", ["qwen3_next", "lfm2", "recurrent_gemma", "olmo_hybrid"]),
    ("encoder-decoder", "encoder-decoder", ["t5", "bart", "marian", "pegasus", "switch_transformers"]),
    ("masked", "encoder", ["bert", "roberta", "modernbert"]),
]


@pytest.mark.parametrize(
    ("model_type", "task", "expected"),
    [(name, task, expected) for task, expected, names in ARCHITECTURES for name in names],
)
def test_the_architecture_is_read_off_the_model(model_type: str, task: Task, expected: str) -> None:
    costs = costs_of(tiny_model(model_type, task), task)
    assert architecture(task, costs) == expected
    assert costs.recurrent == (expected in ("ssm", "hybrid"))
    for layer in costs.layers:
        assert layer.owed_bytes is not None
        assert 0 <= layer.owed_bytes < layer.weight_bytes


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def test_the_model_is_given_back_as_it_was() -> None:
    model = tiny_model("recurrent_gemma", "causal").requires_grad_(False)
    model.lm_head.weight.requires_grad_(True)
    ids = torch.arange(3, 10)[None]
    before = model(ids).logits
    costs_of(model)
    assert [name for name, parameter in model.named_parameters() if parameter.requires_grad] == [
        "model.embed_tokens.weight"
    ]
    assert hooks(model) == 0
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(model(ids).logits, before)


def test_the_model_is_given_back_after_an_exception() -> None:
    model = llama().requires_grad_(False)
    anatomy = anatomy_of(model)
    # Only while it is being watched do gradients reach the head.
    fails = model.lm_head.register_forward_pre_hook(lambda _, args: 1 / 0 if args[0].requires_grad else None)
    with pytest.raises(ZeroDivisionError):
        read_costs(model, anatomy, "causal")
    fails.remove()
    assert hooks(model) == 0
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("model_type", ["llama", "gpt2"])
def test_offloaded_weights_cost_the_same(model_type: str) -> None:
    model = tiny_model(model_type, "causal").requires_grad_(False)
    expected = costs_of(model)
    offloaded = cpu_offload(model, execution_device=torch.device("cpu"))
    assert costs_of(offloaded) == expected
