"""Models of equal size, whatever they are made of."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from benchmark.errors import InputError
from examples.zoo.architectures import CHOSEN, EXPERTS, count, new_model, sized_config
from examples.zoo.entries import read_zoo

SHIPPED = Path(__file__).parents[2] / "examples" / "zoo" / "zoo.yaml"
ENTRIES = {model.entry.name: model.entry for model in read_zoo(SHIPPED).models}
VOCABULARY = 4096


def built(name: str) -> torch.nn.Module:
    """A model of the shipped list, without memory for its weights."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(sized_config(ENTRIES[name], VOCABULARY))


def counted_plainly(model: torch.nn.Module, experts: float = 1) -> float:
    """Parameters but those of embedding and head, a share of those of experts."""
    outside = {
        id(parameter) for part in (model.get_input_embeddings(), model.lm_head) for parameter in part.parameters()
    }
    sizes = {name: one.numel() for name, one in model.named_parameters() if id(one) not in outside}
    return sum(size * (experts if "experts" in name else 1) for name, size in sizes.items())


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_every_model_of_the_list_has_the_parameters_that_it_is_asked_for(name):
    model, entry = built(name), ENTRIES[name]
    share = CHOSEN / EXPERTS if entry.architecture == "moe" and entry.counted == "active" else 1
    plainly = counted_plainly(model, share)
    assert count(model, entry.counted) == pytest.approx(plainly, abs=1)
    assert plainly == pytest.approx(entry.parameters, rel=0.05)
    assert model.config.num_hidden_layers == entry.layers


def test_those_of_eight_layers_and_the_same_width_are_equal_to_five_percent():
    alike = [name for name, entry in ENTRIES.items() if (entry.layers, entry.width) == (8, 128)]
    assert {ENTRIES[name].architecture for name in alike} == {"dense", "moe", "mamba2", "hybrid"}
    sizes = [count(built(name), ENTRIES[name].counted) for name in alike]
    assert max(sizes) / min(sizes) < 1.05


def test_heads_are_tied_but_one():
    assert {name for name in ENTRIES if not built(name).config.tie_word_embeddings} == {"untied"}


def test_a_size_that_cannot_be_met_is_refused():
    entry = ENTRIES["mamba2"].model_copy(update={"parameters": 1_450_000})
    with pytest.raises(
        InputError, match=r"^mamba2: field 'parameters': 1,450,000 cannot be met within 5 %.*change one"
    ):
        sized_config(entry, VOCABULARY)


def test_a_seed_decides_the_weights():
    entry = ENTRIES["depth-4"].model_copy(update={"width": 32, "parameters": 30_000, "layers": 2})
    first, again, other = (new_model(entry, seed, 300).lm_head.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
