"""Which elements of weights a result depends on, however many gradients are there at once."""

import pytest
import torch
from torch import Tensor, nn

from benchmark.anatomy import gradients
from benchmark.anatomy.gradients import needed_for, reached_from, share_of
from benchmark.anatomy.layers import find_anatomy
from benchmark.anatomy.token_costs import read_costs
from benchmark.tools.tiny_models import tiny_model


def test_elements_that_nothing_depends_on_are_told_apart():
    table, unused = nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.ones(2))
    first, second = needed_for([table[1] * 2], [table, unused])
    assert first is not None and first.any(1).tolist() == [False, True, False, False]
    assert share_of(first, 0) == 0.25
    assert second is None


def test_what_was_used_is_reached_and_nothing_else():
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    assert reached_from([used * 2]).keys() == {used}
    assert unused not in reached_from([used * 2])


@pytest.mark.parametrize("model_type", ["llama", "mixtral", "mamba", "jamba"])
def test_costs_do_not_depend_on_how_many_gradients_are_there_at_once(model_type: str, monkeypatch: pytest.MonkeyPatch):
    model = tiny_model(model_type, "causal")
    anatomy = find_anatomy(model, "causal", torch.arange(3, 10)[None])
    together = read_costs(model, anatomy, "causal")
    passes: list[int] = []
    backward = torch.autograd.grad

    def counted(total: Tensor, part: list[Tensor], *args: object, **options: object) -> object:
        passes.append(len(part))
        return backward(total, part, *args, **options)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    monkeypatch.setattr(gradients, "_AT_ONCE", 1)
    assert read_costs(model, anatomy, "causal") == together
    assert max(passes) < len(list(anatomy.layers[0].module.parameters()))
