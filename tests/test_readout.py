"""The readout in chunks, on odd logits, and on a model whose weights are kept elsewhere."""

import pytest
import torch
from accelerate import cpu_offload

from benchmark import readout as module
from benchmark.capture import decode
from benchmark.errors import MeasurementError
from benchmark.loading import prepare
from benchmark.tiny_models import tiny_model, tiny_tokenizer


def loaded(**overrides):
    return prepare(tiny_model("llama", "causal", **overrides), tiny_tokenizer(), "causal")


def test_chunks_read_what_one_product_reads(monkeypatch):
    model = loaded()
    states = [torch.randn(7, 1, 32, generator=torch.Generator().manual_seed(layer)) for layer in range(4)]
    whole = model.readout.read(states)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 2 * 4 * model.readout.vocab_size * 4)  # two tokens a chunk
    parts = model.readout.read(states)
    for name in vars(whole):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name))


@pytest.mark.parametrize(("value", "what"), [(torch.inf, "not finite"), (torch.nan, "NaN")])
def test_logits_that_are_not_finite_are_refused_with_their_layer(value, what):
    model = loaded()
    states = [torch.randn(2, 1, 32) for _ in range(4)]
    states[1][0, 0, 0] = value
    with pytest.raises(MeasurementError, match=f"NaN from layer 2 of 4|{what} from layer 2 of 4"):
        model.readout.read(states)


def test_a_model_that_masks_a_part_of_its_vocabulary_with_huge_numbers_is_refused():
    model = tiny_model("gpt2", "causal")
    model.lm_head = torch.nn.Linear(model.config.hidden_size, model.config.vocab_size)
    with torch.no_grad():
        model.lm_head.bias[5] = torch.finfo(torch.float32).min
    with pytest.raises(MeasurementError, match="mask a part of the vocabulary"):
        prepare(model, tiny_tokenizer(), "causal")


def test_weights_that_are_kept_elsewhere_change_nothing():
    here, elsewhere = loaded(), tiny_model("llama", "causal")
    cpu_offload(elsewhere, execution_device=torch.device("cpu"))
    away = prepare(elsewhere, tiny_tokenizer(), "causal")
    prompts = [[5, 6, 7, 8], [9, 10]]
    assert (
        decode(away, prompts, 5, batch_size=2).trace.predictions.tolist()
        == decode(here, prompts, 5, batch_size=2).trace.predictions.tolist()
    )
