"""Which policies are proven of which models, and what of an engine that errs is noticed."""

from dataclasses import replace

import pytest
import torch

from benchmark.decoding.engine import Limits
from benchmark.decoding.gated import on_generate
from benchmark.decoding.gated.exits import Exits
from benchmark.decoding.gated.on_generate import NoCache, decode_gated
from benchmark.decoding.gated.proof import prove_full_text, prove_gated, prove_policy
from benchmark.decoding.gated.rule import Given
from benchmark.decoding.prepare import prepare
from benchmark.errors import MeasurementError
from benchmark.inputs.settings import POLICIES
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer


def loaded(model_type, task="causal", dtype=torch.float32):
    return prepare(tiny_model(model_type, task).to(dtype), tiny_tokenizer(), task)


@pytest.fixture(scope="module")
def llama():
    return loaded("llama")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_what_holds_is_proven(policy, dtype):
    model = loaded("llama", dtype=dtype)
    assert prove_gated(model, policy) == model


@pytest.mark.parametrize(
    ("model_type", "task", "reason"),
    [
        ("mamba", "causal", "0 of 4 layers keep keys and values of their own"),
        ("jamba", "causal", "1 of 4 layers keep keys and values of their own"),
        ("gemma3n_text", "causal", "2 of 4 layers keep keys and values of their own"),
        ("falcon_h1", "causal", "the layers keep another state beside keys and values"),
        ("longcat_flash", "causal", "the cache has 8 parts, the model 4 layers"),
        ("gemma4_text", "causal", "the keys and values of the layers have different shapes"),
        ("xlm-roberta", "causal", "the model is decoded without a cache, so it has no entries to copy"),
    ],
)
def test_a_policy_that_cannot_be_had_is_refused_and_others_are_not(model_type, task, reason):
    model = loaded(model_type, task)
    with pytest.raises(MeasurementError, match=f"^policy copy: {reason}; choose another policy$"):
        prove_gated(model, "copy")
    for policy in ("recompute", "propagate"):
        assert prove_gated(model, policy) == model


def test_a_model_that_keeps_no_cache_is_decoded_without_one():
    model = loaded("openai-gpt")
    assert model.with_cache  # what it decodes is its own forward pass, which is all that `generate` runs
    with pytest.raises(NoCache, match="on 6 positions for one token"):
        decode_gated(model, [[5, 6, 7, 8, 9]], Limits(3, 1), Given([[4, 1, 1]]), "propagate")
    for policy in ("recompute", "propagate"):
        assert prove_gated(model, policy) == replace(model, with_cache=False, batchable=False)
    with pytest.raises(MeasurementError, match="so it has no entries to copy"):
        prove_gated(model, "copy")


def test_an_encoder_decoder_keeps_entries_that_can_be_copied():
    model = loaded("t5", "encoder-decoder")
    assert prove_gated(model, "copy") == model


def test_an_encoder_writes_nothing():
    with pytest.raises(MeasurementError, match="an encoder writes no text"):
        prove_gated(loaded("bert", "masked"), "recompute")


def test_exits_whose_state_is_not_passed_on_are_noticed(llama, monkeypatch):
    monkeypatch.setattr(Exits, "passed", lambda self, state: state)
    with pytest.raises(MeasurementError, match=r"^policy propagate: with a cache.*; choose another policy$"):
        prove_policy(llama, "propagate")
    prove_policy(llama, "recompute")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_they_are_noticed_in_16_bit(dtype, monkeypatch):
    model = loaded("llama", dtype=dtype)
    monkeypatch.setattr(Exits, "passed", lambda self, state: state)
    with pytest.raises(MeasurementError, match="policy propagate: with a cache"):
        prove_policy(model, "propagate")


def test_entries_that_are_not_copied_are_noticed(llama, monkeypatch):
    monkeypatch.setattr(on_generate, "copy_entries", lambda *_: None)
    with pytest.raises(MeasurementError, match=r"layers above exit 1 do not hold its entries"):
        prove_policy(llama, "copy")


def test_a_cache_in_another_order_is_noticed():
    model = loaded("llama")
    one, other = (model.anatomy.layers[number].module.self_attn for number in (1, 2))
    one.layer_idx, other.layer_idx = other.layer_idx, one.layer_idx
    with pytest.raises(MeasurementError, match="while layer 2 of 4 runs, the entries of the cache that change are not"):
        prove_policy(model, "copy")


def test_an_oracle_that_errs_is_noticed(llama, monkeypatch):
    exits = on_generate.oracle_exits
    monkeypatch.setattr(on_generate, "oracle_exits", lambda *arguments: torch.ones_like(exits(*arguments)))
    prove_full_text(llama)  # the token is the full model's, wherever it left
    monkeypatch.setattr(on_generate._Batch, "_look_ahead", lambda self, *_: self._exits.know(torch.tensor([1])))
    with pytest.raises(MeasurementError, match="with the oracle's exits and every state, the tokens"):
        prove_full_text(llama)


def test_a_text_that_depends_on_its_neighbours_is_written_alone(llama, monkeypatch):
    """A layer that, of two texts or more, mixes them."""
    layer = llama.anatomy.layers[1].module.mlp
    forward = layer.forward
    monkeypatch.setattr(layer, "forward", lambda state: forward(state) + (state.mean(0) if len(state) > 1 else 0))
    for policy in POLICIES:
        assert prove_policy(llama, policy) == replace(llama, batchable=False)


def test_it_takes_few_passes(llama, monkeypatch):
    counted = []
    forward = llama.anatomy.layers[0].module.forward

    def counting(*arguments, **keywords):
        counted.append(1)
        return forward(*arguments, **keywords)

    monkeypatch.setattr(llama.anatomy.layers[0].module, "forward", counting)
    prove_gated(llama, "propagate")
    assert len(counted) < 30
