"""Model types that decide the question, each by name: layers found, kind read off, every exit exact."""

import pytest
import torch

from benchmark.anatomy.token_costs import read_costs
from benchmark.readout.proof import dissect
from benchmark.tools import architectures
from benchmark.tools.architectures import differences, page, passed_on, survey
from benchmark.tools.tiny_models import tiny_model
from benchmark.trace.costs import architecture

IDS = torch.arange(3, 10)[None]

CAUSAL = {
    "mamba": "ssm",
    "mamba2": "ssm",
    "falcon_mamba": "ssm",
    "rwkv": "ssm",
    "jamba": "hybrid",
    "zamba2": "hybrid",
    "bamba": "hybrid",
    "granitemoehybrid": "hybrid",
    "nemotron_h": "hybrid",
    "falcon_h1": "hybrid",
    "qwen3_next": "hybrid",
    "lfm2": "hybrid",
    "recurrent_gemma": "hybrid",
    "mixtral": "moe",
    "olmoe": "moe",
    "qwen3_moe": "moe",
    "deepseek_v3": "moe",
    "gpt_oss": "moe",
    "gpt2": "dense",
    "gemma2": "dense",
    "gemma3_text": "dense",
    "gemma3n_text": "dense",
    "cohere2": "dense",
    "granite": "dense",
    "minicpm3": "dense",
    "llama": "dense",
}


def examine(model, task):
    anatomy, _, worst = dissect(model, task, IDS, every_layer=True)
    return anatomy, architecture(task, read_costs(model, anatomy, task)), worst


@pytest.mark.parametrize(("model_type", "kind"), CAUSAL.items())
def test_causal(model_type, kind):
    model = tiny_model(model_type, "causal")
    anatomy, found, worst = examine(model, "causal")
    assert worst == 0.0
    assert found == kind
    assert anatomy.num_layers == model.config.num_hidden_layers


def test_opt_350m_is_post_norm_with_a_projection():
    model = tiny_model("opt", "causal", do_layer_norm_before=False, word_embed_proj_dim=16)
    anatomy, kind, worst = examine(model, "causal")
    assert (worst, kind, anatomy.seam_path) == (0.0, "dense", "model.decoder.project_out")


@pytest.mark.parametrize("model_type", ["t5", "bart", "marian", "pegasus", "mt5", "mbart", "switch_transformers"])
def test_encoder_decoder(model_type):
    anatomy, kind, worst = examine(tiny_model(model_type, "encoder-decoder"), "encoder-decoder")
    assert (worst, kind) == (0.0, "encoder-decoder")
    assert "decoder" in anatomy.stack_path


@pytest.mark.parametrize("model_type", ["bert", "roberta", "modernbert", "distilbert", "electra", "deberta-v2"])
def test_encoder(model_type):
    _, kind, worst = examine(tiny_model(model_type, "masked"), "masked")
    assert (worst, kind) == (0.0, "encoder")


def test_the_survey_says_which_policies_gated_decoding_can_have_and_what_can_be_timed(monkeypatch):
    monkeypatch.setattr(architectures, "model_types", {"causal": ["llama", "mamba", "blt"], "masked": ["bert"]}.get)
    surveyed = list(survey(("causal", "masked")))
    assert [(one.model_type, one.policies, one.clock) for one in surveyed] == [
        ("llama", "recompute, propagate, copy", "replay, alone, deferred"),
        ("mamba", "recompute, propagate", "replay"),
        ("blt", "", ""),
        ("bert", "", ""),
    ]
    causal, masked = "Causal language models", "Encoder models, at masked positions"
    assert passed_on(page(surveyed)) == {(causal, "llama"), (causal, "mamba"), (masked, "bert")}


def test_a_line_that_differs_is_named_and_rounding_is_no_difference():
    old = "## Kind: 2 types\n| a | exact |\n| b | within 1e-06 |\n"
    assert (
        differences(old, old.replace("within 1e-06", "within 2e-07").replace("| a | exact", "| a | within 3e-08")) == []
    )
    assert differences(old, old.replace("| b | within 1e-06", "| b | refused: x")) == [
        "- | b | exact |",
        "+ | b | refused: x |",
    ]
