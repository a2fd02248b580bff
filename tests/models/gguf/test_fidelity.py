"""A GGUF file is converted only when transformers reads the model that it holds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf_files import write_gguf
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from benchmark.errors import InputError
from benchmark.models.gguf.convert import converted, file_sha256
from benchmark.tools.tiny_models import tiny_model

HEAD = 16
LLAMA_3 = np.array([1, 1, 2, 4, 8, 8, 8, 8], np.float32)


@pytest.fixture(scope="module")
def tokenizer(tiny_folder: Path) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(tiny_folder)


@pytest.fixture(scope="module")
def llama() -> PreTrainedModel:
    return tiny_model("llama", "causal", vocab_size=300, num_hidden_layers=2, head_dim=None, hidden_size=64)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> Any:
    """Write a model as GGUF, convert it, and return what the conversion holds."""
    monkeypatch.setenv("EXITBENCH_CACHE", str(tmp_path / "cache"))

    def run(model: PreTrainedModel, **changes: Any) -> PreTrainedModel:
        file = write_gguf(tmp_path / "model.gguf", model, tokenizer, **changes)
        return AutoModelForCausalLM.from_pretrained(converted(file, file_sha256(file), "models.yaml: m: path"))

    return run


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.inference_mode():
        return model(torch.arange(40)[None]).logits


@pytest.mark.parametrize(
    "tensors",
    [
        pytest.param({"rope_freqs.weight": LLAMA_3}, id="rotation-of-llama-3"),
        pytest.param({"blk.1.attn_q.bias": np.ones(64, np.float32)}, id="bias-of-queries"),
        pytest.param({"blk.0.ffn_down.bias": np.ones(64, np.float32)}, id="bias-of-feed-forward"),
        pytest.param({"blk.0.attn_q_norm.weight": np.ones(HEAD, np.float32)}, id="norm-of-queries"),
        pytest.param({"blk.0.ffn_up.scale": np.ones(1, np.float32)}, id="scale-of-a-matrix"),
    ],
)
def test_a_tensor_that_transformers_drops_is_refused_by_its_name(read, llama, tensors):
    (name,) = tensors
    with pytest.raises(InputError) as error:
        read(llama, tensors=tensors)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("models.yaml: m: path: ")
    assert f"model.gguf holds {name}, which transformers does not read" in str(error.value)
    assert str(error.value).endswith("; use the transformers checkpoint of this model")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rope.scaling.factor", 8.0),
        ("rope.scaling.type", "yarn"),
        ("rope.scaling.attn_factor", 1.2),
        ("rope.scale_linear", 2.0),
        ("rope.freq_base_swa", 5e4),
        ("attention.sliding_window", 7),
        ("attention.scale", 0.5),
        ("attention.key_length", HEAD // 2),
        ("attention.causal", False),
        ("attention.clamp_kqv", 8.0),
        ("attn_logit_softcapping", 50.0),
        ("logit_scale", 0.0625),
        ("residual_scale", 0.22),
        ("expert_used_count", 2),
        ("expert_weights_scale", 2.5),
        ("embedding_length_per_layer_input", 16),
        ("a_field_of_the_future", [0.0, 1.0]),
    ],
)
def test_a_field_that_transformers_drops_is_refused_by_its_name(read, llama, field, value):
    with pytest.raises(InputError) as error:
        read(llama, fields={field: value})
    shown = f"{value:g}" if isinstance(value, float) else repr(value)
    assert f"holds llama.{field} = {shown}, which transformers does not read" in str(error.value)


def test_heads_of_another_length_than_transformers_takes_are_refused(read, llama):
    with pytest.raises(InputError, match=r"has model.layers.0.self_attn.k_proj.weight in another shape than transf"):
        read(llama, fields={"rope.dimension_count": HEAD // 2})


@pytest.mark.parametrize("field", ["attention.head_count", "attention.layer_norm_rms_epsilon"])
def test_what_no_file_may_lack_is_not_taken_from_another_model(read, llama, field):
    with pytest.raises(InputError, match=f"has no llama.{field}, for which transformers takes what another model has"):
        read(llama, fields={field: None})


def test_what_carries_nothing_is_no_reason(read, llama):
    fields = {
        "rope.dimension_count": HEAD,
        "rope.freq_base": 10_000.0,
        "rope.scaling.type": "linear",
        "rope.scaling.factor": 1.0,
        "rope.scaling.original_context_length": 512,
        "attention.key_length": HEAD,
        "attention.value_length": HEAD,
        "expert_count": 0,
        "expert_used_count": 0,
        "expert_weights_scale": 1.0,
        "attention.sliding_window": 0,
        "attn_logit_softcapping": 0.0,
        "attention.causal": True,
    }
    ones = {"rope_freqs.weight": np.ones(HEAD // 2, np.float32)}
    torch.testing.assert_close(logits(read(llama, fields=fields, tensors=ones)), logits(llama))


def gemma(kind: str = "gemma2", **config: Any) -> PreTrainedModel:
    """A Gemma whose heads are as long as transformers takes them to be when it scales attention."""
    usual = {"vocab_size": 300, "sliding_window": 8, "head_dim": 256, "query_pre_attn_scalar": 256}
    return tiny_model(kind, "causal", **usual | config)


def fields_of(model: PreTrainedModel) -> dict[str, Any]:
    return {
        "attention.key_length": model.config.head_dim,
        "attention.value_length": model.config.head_dim,
        "attention.sliding_window": model.config.sliding_window,
    }


class TestAnotherArchitecture:
    """Gemma, of which the reader knows some fields, and leaves the others to the defaults of a configuration."""

    def test_is_read_when_all_agree(self, read):
        model = gemma()
        defaults = {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
        assert read(model, fields=fields_of(model) | defaults).config.sliding_window == 8

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("attn_logit_softcapping", 40.0),
            ("final_logit_softcapping", 0.5),
            ("attention.value_length", 128),
            ("rope.scaling.factor", 4.0),
            ("attention.sliding_window_pattern", 3),
        ],
    )
    def test_is_refused_when_one_does_not(self, read, field, value):
        model = gemma()
        with pytest.raises(InputError, match=f"holds gemma2.{field} = .*, which transformers does not read"):
            read(model, fields=fields_of(model) | {field: value})

    def test_is_refused_when_its_heads_say_another_scale(self, read):
        model = gemma(head_dim=16, query_pre_attn_scalar=16)
        with pytest.raises(InputError, match="scales attention by heads of length 16, and transformers by 256, so the"):
            read(model, fields=fields_of(model))

    def test_is_refused_when_an_absent_field_means_something_else(self, read):
        model = gemma("gemma3_text")
        with pytest.raises(InputError, match=r"has no gemma3.rope.freq_base, which is 10000 then, and transformers"):
            read(model, fields=fields_of(model))
        assert read(model, fields=fields_of(model) | {"rope.freq_base": 1e6}).config.head_dim == 256
