"""A model is left as it was, whatever it changes about itself while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from transformers import PreTrainedModel

from benchmark import wrap
from benchmark.anatomy.unchanged import rewritten_tensors, unchanged
from benchmark.errors import MeasurementError
from benchmark.tools.architectures import portrait
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer

IDS = torch.arange(5, 21)[None]
SPARSE = {"attention_type": "block_sparse", "block_size": 4, "num_random_blocks": 1}
KINDS = {
    "big_bird": ("masked", SPARSE),
    "bigbird_pegasus": ("encoder-decoder", SPARSE),
    "rwkv": ("causal", {}),
    "llama": ("causal", {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}}),
    "mamba": ("causal", {}),
}


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    task, fields = KINDS[request.param]
    return tiny_model(request.param, task, **fields)


@contextmanager
def the_same(model: PreTrainedModel) -> Iterator[None]:
    before = portrait(model)
    yield
    after = portrait(model)
    assert [name for name in before if before[name] != after.get(name)] == []
    assert after.keys() - before.keys() == set()


def test_proving_and_measuring_leave_it_as_it_was(model: PreTrainedModel):
    with the_same(model):
        traced = wrap(model, tiny_tokenizer())
    with the_same(model):
        traced.trace(["the cat sat on the mat", "no"], max_new_tokens=5)


def test_what_it_says_of_a_text_does_not_depend_on_the_texts_before(model: PreTrainedModel):
    traced = wrap(model, tiny_tokenizer())
    long, short = "a dog barked at the moon and the moon did not care about it at all", "no"
    first = traced.trace([long], max_new_tokens=5).arrays
    traced.trace([short], max_new_tokens=5)
    again = traced.trace([long], max_new_tokens=5).arrays
    assert again.target.tolist() == first.target.tolist()
    assert (again.matches == first.matches).all()


def test_weights_that_a_model_writes_into_are_found_and_given_back():
    model = tiny_model("rwkv", "causal", rescale_every=2)
    with the_same(model):
        found = rewritten_tensors(model, "causal", IDS)
    assert {id(tensor) for tensor in found} <= {id(tensor) for tensor in model.parameters()}
    assert len(found) == 8  # two matrices of each of four layers
    with the_same(model), unchanged(model, found):
        model(input_ids=IDS)


def test_weights_that_are_written_into_later_are_told_of(model: PreTrainedModel):
    with pytest.raises(MeasurementError, match="rewrites its own weights"), unchanged(model), torch.no_grad():
        next(model.parameters()).mul_(2)


def test_modules_attributes_lists_and_settings_are_put_back():
    model = tiny_model("llama", "causal")
    layers, first = model.model.layers, model.model.layers[0]
    with the_same(model), unchanged(model):
        first.mlp = torch.nn.Identity()
        first.counter = 3
        model.config.pad_token_id = 9
        del layers[3]
        layers[0] = torch.nn.Identity()
    assert model.model.layers is layers and layers[0] is first
