"""Self-speculation by transformers takes the rounds that a trace predicts, and writes the same text."""

import pytest
import torch
from captures import decode

from benchmark.clock.drafts import drafts
from benchmark.decoding.prepare import prepare
from benchmark.metrics.speculation import rounds
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer

LENGTHS, NEW_TOKENS = (1, 3), 16


@pytest.fixture(scope="module")
def loaded():
    """A random model whose deeper layers say little, so that shallow ones are often right."""
    model = tiny_model("llama", "causal")
    with torch.no_grad():
        for depth, layer in enumerate(model.model.layers):
            layer.mlp.down_proj.weight.mul_(0.4**depth)
            layer.self_attn.o_proj.weight.mul_(0.4**depth)
    return prepare(model, tiny_tokenizer(), "causal")


def test_rounds_and_text(loaded):
    prompts = [loaded.tokenizer(text).input_ids for text in ("the cat sat", "hello there")]
    trace = decode(loaded, prompts, NEW_TOKENS, 1).trace
    expected = rounds(trace.matches, trace.prompt, LENGTHS)
    between = 0
    for number, ids in enumerate(prompts):
        text = trace.target[trace.prompt == number].tolist()
        prompt = torch.tensor([ids])
        for exit_layer in range(1, trace.num_layers):
            for place, length in enumerate(LENGTHS):
                with drafts(loaded.model, length) as drafted, torch.inference_mode():
                    out = loaded.model.generate(
                        prompt,
                        attention_mask=torch.ones_like(prompt),
                        max_new_tokens=NEW_TOKENS,
                        assistant_early_exit=exit_layer,
                    )
                assert out[0, len(ids) :].tolist()[: len(text)] == text
                assert len(drafted) == expected.rounds[number, exit_layer - 1, place]
                between += len(text) / (length + 1) < len(drafted) < len(text)
    assert between > 3  # some drafts are right and some are not


def test_settings_of_drafts_are_put_back(loaded):
    config = loaded.model.generation_config
    before = config.to_dict()
    with drafts(loaded.model, 7):
        assert config.num_assistant_tokens == 7
    assert config.to_dict() == before
