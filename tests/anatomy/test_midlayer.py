"""The state between the halves of a layer is found in layers of very different build, and is what it should be."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from benchmark.anatomy.layers import find_anatomy
from benchmark.anatomy.midlayer import find_halves
from benchmark.models.tasks import forward_logits, run_encoder
from benchmark.tools.tiny_models import tiny_model

IDS = torch.arange(3, 10)[None]
BOTH = torch.cat([IDS, IDS.flip(1)])

# Model type, and the module of each layer that receives the state.
HALVED = {
    "llama": "post_attention_layernorm",
    "mistral": "post_attention_layernorm",
    "qwen2": "post_attention_layernorm",
    "qwen3": "post_attention_layernorm",
    "gemma": "post_attention_layernorm",
    "gemma2": "pre_feedforward_layernorm",
    "gemma3_text": "pre_feedforward_layernorm",
    "olmo2": "mlp",
    "phi3": "post_attention_layernorm",
    "stablelm": "post_attention_layernorm",
    "minicpm3": "post_attention_layernorm",
    "granite": "post_attention_layernorm",
    "gpt2": "ln_2",
    "opt": "final_layer_norm",
    "bloom": "post_attention_layernorm",
    "mpt": "norm_2",
    "mixtral": "post_attention_layernorm",
    "qwen2_moe": "post_attention_layernorm",
    "qwen3_moe": "post_attention_layernorm",
    "gpt_oss": "post_attention_layernorm",
    "dbrx": "norm_attn_norm.norm_2",
    "jetmoe": "post_attention_layernorm",
    "deepseek_v2": "post_attention_layernorm",
    "deepseek_v3": "post_attention_layernorm",
    "granitemoehybrid": "post_attention_layernorm",
    "qwen3_next": "post_attention_layernorm",
    "jamba": "pre_ff_layernorm",
    "bamba": "pre_ff_layernorm",
    "falcon_h1": "pre_ff_layernorm",
    "lfm2": "ffn_norm",
    "recurrent_gemma": "channel_pre_norm",
    "xlstm": "norm_ffn",
}


def halves_of(model, task="causal"):
    return find_halves(model, task, IDS, find_anatomy(model, task, IDS))


def places(model, task="causal"):
    """Names, inside each layer, of the modules that receive its middle state; None for a layer without."""
    anatomy = find_anatomy(model, task, IDS)
    found = find_halves(model, task, IDS, anatomy)
    return [
        half and half.path.removeprefix(f"{layer.path}.") for layer, half in zip(anatomy.layers, found, strict=True)
    ]


@pytest.mark.parametrize(("model_type", "place"), HALVED.items())
def test_every_layer_that_adds_twice_has_halves(model_type, place):
    model = tiny_model(model_type, "causal")
    assert places(model) == [place] * model.config.num_hidden_layers


@pytest.mark.parametrize(
    ("model_type", "task", "place"),
    [
        ("modernbert", "masked", "mlp_norm"),
        ("esm", "masked", "LayerNorm"),
        ("t5", "encoder-decoder", "layer.2"),
        ("switch_transformers", "encoder-decoder", "layer.2"),
        ("pegasus", "encoder-decoder", "final_layer_norm"),
        ("t5gemma", "encoder-decoder", "pre_feedforward_layernorm"),
    ],
)
def test_decoders_are_halved_behind_both_attentions_and_encoders_as_well(model_type, task, place):
    assert places(tiny_model(model_type, task), task) == [place] * 4


@pytest.mark.parametrize(
    ("model_type", "sequential"),
    [("gpt_neox", {"use_parallel_residual": False}), ("falcon", {"parallel_attn": False})],
)
def test_attention_and_mlp_side_by_side_have_no_state_between_them(model_type, sequential):
    assert places(tiny_model(model_type, "causal")) == [None] * 4
    assert places(tiny_model(model_type, "causal", **sequential)) == ["post_attention_layernorm"] * 4


@pytest.mark.parametrize("model_type", ["gptj", "phi", "cohere", "cohere2", "mamba", "mamba2", "nemotron_h"])
def test_a_single_addition_makes_no_halves(model_type):
    assert not any(halves_of(tiny_model(model_type, "causal")))


@pytest.mark.parametrize(
    ("model_type", "task"),
    [
        ("bert", "masked"),
        ("roberta", "masked"),
        ("nomic_bert", "masked"),
        ("fnet", "masked"),
        ("bart", "encoder-decoder"),
        ("minimax", "causal"),
        ("xlnet", "causal"),
    ],
)
def test_layers_that_normalize_the_sum_have_no_halves(model_type, task):
    assert not any(halves_of(tiny_model(model_type, task), task))


def test_opt_350m_normalizes_the_sum():
    assert not any(halves_of(tiny_model("opt", "causal", do_layer_norm_before=False, word_embed_proj_dim=16)))


@pytest.mark.parametrize("model_type", ["doge", "deepseek_v4"])
def test_layers_that_scale_or_mix_what_they_add_to_have_no_halves(model_type):
    assert not any(halves_of(tiny_model(model_type, "causal")))


@pytest.mark.parametrize("model_type", ["zamba2", "longcat_flash"])
def test_a_state_on_the_way_that_the_layer_does_not_end_with_is_no_middle_state(model_type):
    # What zamba2 adds to the state is for its mixer to read only; with longcat's last MLP, earlier experts are added.
    assert not any(halves_of(tiny_model(model_type, "causal")))


def test_a_layer_that_replaces_what_enters_it_has_no_halves():
    assert places(tiny_model("rwkv", "causal")) == [None, "ln2", "ln2", "ln2"]  # the first normalizes the embedding


@pytest.mark.parametrize("silent", ["self_attn.o_proj", "mlp.down_proj"])
def test_a_layer_of_which_one_half_adds_nothing_has_no_halves(silent):
    model = tiny_model("llama", "causal")
    nn.init.zeros_(model.get_submodule(f"model.layers.2.{silent}").weight)
    assert [half is not None for half in halves_of(model)] == [True, True, False, True]


def add_in_place(self, hidden_states, **kwargs):
    """A layer's forward that overwrites what it was given; without an MLP it adds once."""
    hidden_states += self.self_attn(self.input_layernorm(hidden_states), **kwargs)[0]
    if self.mlp is not None:
        hidden_states += self.mlp(self.post_attention_layernorm(hidden_states))
    return hidden_states


def test_states_that_are_overwritten_are_told_apart(monkeypatch):
    monkeypatch.setattr(LlamaDecoderLayer, "forward", add_in_place)
    model = tiny_model("llama", "causal")
    model.model.layers[1].mlp = None
    nn.init.zeros_(model.model.layers[2].mlp.down_proj.weight)
    assert places(model) == ["post_attention_layernorm", None, None, "post_attention_layernorm"]


def test_a_module_that_runs_more_than_once_is_no_place_to_meet_a_state():
    model = tiny_model("llama", "causal")
    layers = model.model.layers
    layers[1].post_attention_layernorm = layers[2].post_attention_layernorm
    assert [half is not None for half in halves_of(model)] == [True, False, False, True]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("model_type", ["llama", "gemma2", "mixtral", "nanochat", "falcon_h1"])
def test_halves_are_the_same_in_16_bit(model_type, dtype):
    model = tiny_model(model_type, "causal")
    exact = places(model)
    assert None not in exact
    assert places(model.to(dtype)) == exact


def test_a_model_that_does_not_run_silenced_has_no_halves_and_keeps_no_hooks():
    model = tiny_model("reformer", "causal")
    assert halves_of(model) == (None,) * 4
    assert not any(hooks(module) for module in model.modules())


def test_the_model_is_left_as_it_was():
    model = tiny_model("llama", "causal")
    before = forward_logits(model, "causal", IDS, None)
    random = torch.get_rng_state()
    halves_of(model)
    assert torch.equal(forward_logits(model, "causal", IDS, None), before)
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(hooks(module) for module in model.modules())


class Recorder:
    """What each layer of a model received, what some modules inside it returned, and its middle state, pass by pass."""

    def __init__(self, model, task, texts=1):
        self.anatomy = find_anatomy(model, task, IDS)
        self.halves = find_halves(model, task, IDS, self.anatomy)
        self.model, self.task, self.texts = model, task, texts
        self.states: list[list[Tensor]] = []

    def run(self, forward: Callable[[], Any], inside: str = "") -> list[dict[str, Tensor]]:
        """One dict a layer: `entered`, `middle`, `returned`, and the output of every module named in `inside`."""
        self.states = [[] for _ in self.halves]
        records: list[dict[str, Tensor]] = [{} for _ in self.halves]
        with ExitStack() as stack, torch.inference_mode():
            for index, (layer, half, record) in enumerate(zip(self.anatomy.layers, self.halves, records, strict=True)):

                def enter(_, args, kwargs, layer=layer, record=record):
                    record["entered"] = layer.state_in(args, kwargs).clone()

                def meet(_, args, kwargs, half=half, record=record, index=index):
                    record["middle"] = half.state_in(args, kwargs, self.texts).clone()
                    self.states[index].append(record["middle"])

                def leave(_, __, output, layer=layer, record=record):
                    record["returned"] = layer.state_out(output).clone()

                stack.callback(layer.module.register_forward_pre_hook(enter, with_kwargs=True).remove)
                stack.callback(half.module.register_forward_pre_hook(meet, with_kwargs=True).remove)
                stack.callback(layer.module.register_forward_hook(leave).remove)
                for name in inside.split():

                    def keep(_, __, output, name=name, record=record):
                        record[name] = (output[0] if isinstance(output, tuple) else output).clone()

                    stack.callback(layer.module.get_submodule(name).register_forward_hook(keep).remove)
            forward()
        return records

    def alone(self, inside: str) -> list[dict[str, Tensor]]:
        """The same of one forward pass over `IDS`."""
        encoded = run_encoder(self.model, self.task, IDS)
        return self.run(lambda: forward_logits(self.model, self.task, IDS, encoded), inside)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("model_type", "mixed", "made"),
    [
        ("llama", "self_attn", "mlp"),
        ("gemma2", "post_attention_layernorm", "post_feedforward_layernorm"),
        ("olmo2", "post_attention_layernorm", "post_feedforward_layernorm"),
        ("mixtral", "self_attn", "mlp"),
        ("gpt2", "attn", "mlp"),
        ("opt", "self_attn", "fc2"),
        ("bloom", "self_attention.dense", "mlp.dense_4h_to_h"),
    ],
)
def test_the_state_is_what_enters_plus_the_mixer_and_the_layer_adds_the_rest(model_type, mixed, made, dtype):
    for record in Recorder(tiny_model(model_type, "causal").to(dtype), "causal").alone(f"{mixed} {made}"):
        assert torch.equal(record["middle"], record["entered"] + record[mixed])
        rest = record[made].view_as(record["middle"])
        assert torch.equal(record["returned"], record["middle"] + rest)


def test_scaled_branches():
    model = tiny_model("granite", "causal")
    scale = model.config.residual_multiplier
    assert scale != 1
    for record in Recorder(model, "causal").alone("self_attn mlp"):
        assert torch.equal(record["middle"], record["entered"] + scale * record["self_attn"])
        assert torch.equal(record["returned"], record["middle"] + scale * record["mlp"])


def test_experts_beside_shared_experts_are_one_half():
    for record in Recorder(tiny_model("granitemoehybrid", "causal"), "causal").alone("block_sparse_moe shared_mlp"):
        made = record["block_sparse_moe"] + record["shared_mlp"]
        assert torch.allclose(record["returned"], record["middle"] + made, atol=1e-5)


def test_attention_beside_a_state_space_mixer_is_one_half():
    for record in Recorder(tiny_model("falcon_h1", "causal"), "causal").alone("mamba self_attn feed_forward"):
        mixed = record["mamba"] + record["self_attn"]
        assert torch.allclose(record["middle"], record["entered"] + mixed, atol=1e-5)
        assert torch.equal(record["returned"], record["middle"] + record["feed_forward"])


def test_self_attention_and_cross_attention_are_one_half():
    inside = "layer.0.SelfAttention layer.1.EncDecAttention layer.2.DenseReluDense"
    for record in Recorder(tiny_model("t5", "encoder-decoder"), "encoder-decoder").alone(inside):
        itself, across, made = (record[name] for name in inside.split())
        assert torch.equal(record["middle"], record["entered"] + itself + across)
        assert torch.equal(record["returned"], record["middle"] + made)


def test_an_exit_between_the_halves_is_the_model_without_all_that_follows():
    model = tiny_model("llama", "causal")
    recorder = Recorder(model, "causal")
    middle = recorder.alone("")[2]["middle"]
    nn.init.zeros_(model.model.layers[2].mlp.down_proj.weight)
    assert torch.equal(recorder.alone("")[2]["returned"], middle)


@pytest.mark.parametrize(
    ("model_type", "task"),
    [
        ("llama", "causal"),
        ("opt", "causal"),
        ("mixtral", "causal"),
        ("jamba", "causal"),
        ("falcon_h1", "causal"),
        ("t5", "encoder-decoder"),
    ],
)
def test_every_step_of_decoding_a_batch_with_a_cache_meets_the_state_once(model_type, task):
    model = tiny_model(model_type, task)
    recorder = Recorder(model, task, texts=2)
    written: list[Tensor] = []

    def generate():
        options = {"max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False}
        written.append(model.generate(BOTH, attention_mask=torch.ones_like(BOTH), **options))

    recorder.run(generate)
    steps = recorder.states
    begin = BOTH.shape[1] if task == "causal" else 1
    assert [[state.shape[:2] for state in states] for states in steps] == [[(2, begin), *[(2, 1)] * 3]] * 4
    encoded = run_encoder(model, task, BOTH)
    for step in range(4):
        ids = written[0][:, : begin + step]
        whole = recorder.run(lambda ids=ids: forward_logits(model, task, ids, encoded))
        for states, record in zip(steps, whole, strict=True):
            assert torch.allclose(states[step][:, -1], record["middle"][:, -1], atol=1e-4)


def hooks(module: nn.Module) -> int:
    return len(module._forward_hooks) + len(module._forward_pre_hooks)
