"""LayerSkip's recipe, worked by hand on small numbers and held against passes that do without it."""

import pytest
import torch

from benchmark.tools.tiny_models import tiny_model
from examples.zoo.entries import ExitLoss
from examples.zoo.layerskip import drop_rates, dropped, exit_logits, exit_weights

RECIPE = ExitLoss(scale=0.5, dropout=0.4, rotation=2)


@pytest.fixture(scope="module")
def model():
    return tiny_model("llama", "causal").train()


@pytest.fixture
def ids():
    return torch.arange(24).reshape(3, 8)


def test_deeper_layers_are_dropped_more_often_and_later_steps_more():
    assert drop_rates(RECIPE, 3, step=0, steps=11) == [0, 0, 0]
    last = drop_rates(RECIPE, 3, step=10, steps=11)
    assert last == pytest.approx([0, 0.4 * (2**0.5 - 1), 0.4])
    assert drop_rates(RECIPE, 3, step=5, steps=11)[2] == pytest.approx(0.4 * (2**0.5 - 1))


def test_weights_of_four_layers_worked_by_hand():
    # e(0..3) = 0, 0.5, 1.5 and, of the last, 3 + 0.5 × (0 + 1 + 2) = 4.5.
    assert exit_weights(RECIPE, 4, step=0) == pytest.approx({2: 1.5 / 6, 3: 4.5 / 6})
    assert exit_weights(RECIPE, 4, step=1) == pytest.approx({1: 0.5 / 5, 3: 4.5 / 5})


def test_the_rotation_comes_to_every_layer_that_has_a_weight():
    seen = {layer for step in range(4) for layer in exit_weights(ExitLoss(scale=0.2, dropout=0, rotation=4), 8, step)}
    assert seen == {*range(1, 8)}


def test_nothing_dropped_is_the_plain_pass(model, ids):
    with torch.no_grad():
        plain = model(input_ids=ids, output_hidden_states=True)
        with dropped(model, [0.0] * len(model.model.layers), torch.Generator()) as states:
            assert torch.equal(model(input_ids=ids, use_cache=False).logits, plain.logits)
    assert all(torch.equal(*pair) for pair in zip(states[:-1], plain.hidden_states[1:-1], strict=True))


def test_a_layer_that_is_always_dropped_is_as_if_it_were_not_there(model, ids):
    rates = [0.0, 1.0, 0.0, 0.0]
    with torch.no_grad(), dropped(model, rates, torch.Generator()) as states:
        model(input_ids=ids, use_cache=False)
    assert torch.equal(states[1], states[0])
    assert not torch.equal(states[2], states[1])


def test_each_text_is_dropped_for_itself_and_the_seed_decides(model):
    ids = torch.arange(64).reshape(32, 2)

    def dropped_texts(seed: int) -> list[bool]:
        with torch.no_grad(), dropped(model, [0, 0, 0, 0.5], torch.Generator().manual_seed(seed)) as states:
            model(input_ids=ids, use_cache=False)
        return (states[3] == states[2]).flatten(1).all(1).tolist()

    first = dropped_texts(1)
    assert 0 < sum(first) < len(first)
    assert first == dropped_texts(1) != dropped_texts(2)


def test_exits_are_read_by_the_models_own_norm_and_head(model, ids):
    plain = model(input_ids=ids, output_hidden_states=True)
    exits = exit_logits(model, RECIPE, ids, step=0, steps=10, seed=1)  # nothing is dropped at the first step
    (early, last) = exits
    assert torch.equal(early[1], model.lm_head(model.model.norm(plain.hidden_states[3])))
    assert torch.equal(last[1], plain.logits)
    assert early[0] + last[0] == pytest.approx(1)


def test_hooks_are_gone_behind_the_block(model, ids):
    before = [len(layer._forward_hooks) for layer in model.model.layers]  # transformers has some of its own
    exit_logits(model, RECIPE, ids, step=9, steps=10, seed=1)
    assert [len(layer._forward_hooks) for layer in model.model.layers] == before
