"""The model's own readout: logits of states, what enters its head, and models whose weights are kept elsewhere."""

import pytest
import torch
from accelerate import cpu_offload
from captures import decode
from torch import Tensor

from benchmark.anatomy.layers import find_anatomy
from benchmark.decoding.prepare import prepare
from benchmark.errors import MeasurementError
from benchmark.readout.model_readout import Readout
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.costs import Task

IDS = torch.arange(5, 12)[None]
PROMPTS = [[5, 6, 7, 8], [9, 10]]


def readout_of(kind: str, task: Task = "causal", **overrides) -> Readout:
    model = tiny_model(kind, task, **overrides)
    return Readout(model, find_anatomy(model, task, IDS), task)


def states(count: int) -> Tensor:
    return torch.randn(count, 1, 32, generator=torch.Generator().manual_seed(0))


def test_logits_are_what_the_model_makes_of_the_state_behind_its_layers():
    readout, model = readout_of("llama"), tiny_model("llama", "causal")
    found = readout.logits(states(5))
    with torch.inference_mode():
        torch.testing.assert_close(found, model.lm_head(model.model.norm(states(5))), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("kind", "task"),
    [("llama", "causal"), ("gemma2", "causal"), ("opt", "causal"), ("t5", "encoder-decoder"), ("bert", "masked")],
)
def test_what_enters_the_head_is_read_without_the_head(kind, task):
    readout = readout_of(kind, task)
    head, entered = readout._model.get_output_embeddings(), []
    watch = head.register_forward_pre_hook(lambda _, args: entered.append(args[0]))
    readout.logits(states(5))
    watch.remove()
    readout._model.get_output_embeddings().forward = None  # so that it cannot be called
    assert torch.equal(readout.head_input(states(5)), entered[0].reshape(5, -1))


@pytest.mark.parametrize(("kind", "task"), [("mobilebert", "masked"), ("fsmt", "encoder-decoder")])
def test_a_head_that_the_model_does_not_call_shows_nothing(kind, task):
    readout = readout_of(kind, task)
    assert readout.head is None
    assert readout.head_input(states(5)) is None


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_the_model_is_given_back_as_it_was(kind):
    readout = readout_of(kind)
    readout.logits(states(2)), readout.head_input(states(2))
    for module in readout._model.modules():
        assert not (module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def test_a_model_that_masks_a_part_of_its_vocabulary_with_huge_numbers_is_refused():
    model = tiny_model("gpt2", "causal")
    model.lm_head = torch.nn.Linear(model.config.hidden_size, model.config.vocab_size)
    with torch.no_grad():
        model.lm_head.bias[5] = torch.finfo(torch.float32).min
    with pytest.raises(MeasurementError, match="mask a part of the vocabulary"):
        prepare(model, tiny_tokenizer(), "causal")


def test_weights_that_are_kept_elsewhere_change_nothing():
    here, elsewhere = tiny_model("llama", "causal"), tiny_model("llama", "causal")
    cpu_offload(elsewhere, execution_device=torch.device("cpu"))
    away, near = (
        decode(prepare(model, tiny_tokenizer(), "causal"), PROMPTS, 5, 2).trace for model in (elsewhere, here)
    )
    assert away.matches.tolist() == near.matches.tolist()
    assert away.predictions.tolist() == near.predictions.tolist()
    assert away.half_matches.tolist() == near.half_matches.tolist()
