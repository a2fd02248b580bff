"""Decoding is held against the model's own forward pass, alone, without a cache, and batches against prompts alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.decoding.batching import length_thresholds
from benchmark.decoding.buffer import capture
from benchmark.decoding.engine import Limits
from benchmark.decoding.engines.generate import Greedy
from benchmark.decoding.prepare import prepare
from benchmark.decoding.proven import capture_proven
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.costs import Task

LENGTHS, NEW_TOKENS = (3, 20, 35, 60, 90), 10
LONG_ROPE = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0] * 4,
    "long_factor": [1.5, 2.0, 4.0, 8.0],
    "original_max_position_embeddings": 40,
    "factor": 4.0,
}


def loaded(model_type: str, task: Task = "causal", **fields: Any) -> LoadedModel:
    return prepare(tiny_model(model_type, task, **fields), tiny_tokenizer(), task)


def prompts(lengths: tuple[int, ...] = LENGTHS) -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(4, 60, length).tolist() for length in lengths]


def assert_exact(model: LoadedModel, lengths: tuple[int, ...] = LENGTHS) -> None:
    """What is measured in batches is what the model's own forward pass gives over each prefix of each text."""
    found = capture_proven(model, prompts(lengths), Limits(NEW_TOKENS, 16)).capture.trace
    truth = capture(Greedy(), model, prompts(lengths), Limits(NEW_TOKENS, 1)).trace
    assert found.target.tolist() == truth.target.tolist()
    assert (found.matches == truth.matches).all()


class TestModelsThatSwitchOnLength:
    @pytest.mark.parametrize(
        ("model_type", "fields"),
        [
            ("phi3", {"rope_parameters": LONG_ROPE, "original_max_position_embeddings": 40}),
            ("llama", {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0}}),
            ("qwen2", {"rope_parameters": LONG_ROPE}),
            ("mistral", {"sliding_window": 40}),
            ("gemma3_text", {"sliding_window": 40}),
            ("llama4_text", {"attention_chunk_size": 40}),
            ("deepseek_v32", {"index_topk": 40}),
            ("gpt_neo", {"window_size": 40}),
        ],
    )
    def test_exits_are_exact_on_both_sides(self, model_type: str, fields: dict[str, Any]):
        assert_exact(loaded(model_type, **fields))

    def test_beyond_what_is_proven_at_load_prompts_of_both_sides_are_kept_apart(self, monkeypatch):
        """As of a real model, whose thresholds are thousands of tokens away."""
        monkeypatch.setattr("benchmark.decoding.proof.LONGEST", 20)
        model = loaded("phi3", rope_parameters=LONG_ROPE, original_max_position_embeddings=40)
        assert model.thresholds == (40,)
        assert model.batchable and model.with_cache
        assert_exact(model)

    def test_a_switch_that_no_field_names_is_seen_when_the_case_ends(self):
        """BigBird attends to everything up to 7 blocks, a number that stands nowhere."""
        model = loaded("big_bird", "masked", attention_type="block_sparse", block_size=4, num_random_blocks=1)
        texts = prompts((20, 26, 40, 60))
        proven = capture_proven(replace(model, thresholds=()), texts, Limits(9, 4))
        assert not proven.model.batchable
        alone = capture_proven(replace(model, batchable=False), texts, Limits(9, 4)).capture.trace
        assert (proven.capture.trace.matches == alone.matches).all()


class TestGenerateThatIsNotTheForwardPass:
    @pytest.mark.parametrize("model_type", ["xlm-roberta", "data2vec-text", "roberta-prelayernorm"])
    def test_such_a_model_is_decoded_without_a_cache(self, model_type: str):
        model = loaded(model_type)
        assert not model.with_cache
        proven = capture_proven(model, prompts(), Limits(NEW_TOKENS, 16))
        assert not proven.model.with_cache and proven.capture.batch_size == 1
        assert_exact(model)

    def test_where_only_a_long_text_shows_it_the_case_is_measured_again(self, monkeypatch):
        """A sparse index that is left out of the proof at load, as one of 2048 tokens is."""
        monkeypatch.setattr("benchmark.decoding.proof.LONGEST", 20)
        model = loaded("deepseek_v32", index_topk=40)
        assert model.with_cache
        assert capture_proven(model, prompts((5, 10)), Limits(NEW_TOKENS, 16)).model.with_cache
        assert not capture_proven(model, prompts(), Limits(NEW_TOKENS, 16)).model.with_cache
        assert_exact(model)


class TestSixteenBit:
    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_a_text_that_falls_the_other_way_at_a_tie_is_no_leak(self, dtype: torch.dtype):
        """The best two tokens have the same logits within rounding, so padding may swap them."""
        model = tiny_model("llama", "causal").to(dtype)
        with torch.no_grad():
            model.lm_head.weight[60:] = model.lm_head.weight[4:72] * (1 + 2**-9)
        assert prepare(model, tiny_tokenizer(), "causal").batchable

    def test_a_leak_is_one(self):
        assert not prepare(tiny_model("rwkv", "causal").to(torch.bfloat16), tiny_tokenizer(), "causal").batchable


def test_thresholds_are_the_lengths_that_a_config_names():
    config = {
        "hidden_size": 64,
        "sliding_window": 4096,
        "use_sliding_window": True,
        "max_window_layers": 28,
        "num_local_experts": 8,
        "attention_window": [512, 512],
        "rope_parameters": {"original_max_position_embeddings": 8192.0},
        "index_topk": 2048,
        "index_n_heads": 64,
        "chunk_size": None,
    }
    assert length_thresholds(config) == (512, 2048, 4096, 8192)


@pytest.fixture
def backends():
    """The two that may compute in less than float32, allowed to."""
    found = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in found]
    for backend in found:
        backend.allow_tf32 = True
    yield found
    for backend, allowed in zip(found, before, strict=True):
        backend.allow_tf32 = allowed


def test_float32_stays_float32_on_a_gpu(backends):
    """Whatever a person has allowed for speed: with 10 bits instead of 23, cache and no cache give other exits."""
    loaded("llama")
    assert not any(backend.allow_tf32 for backend in backends)
