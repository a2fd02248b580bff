"""Bounds of signals contain what all logits give, whatever the head; what they call certain is."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from benchmark.decoding.prepare import prepare
from benchmark.readout import bounds as bounding
from benchmark.readout.bounds import bounds_of_states
from benchmark.readout.linear_head import LinearHead
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.costs import Task

NAMES = ("max_prob", "prob_margin", "entropy")


def head_of(weight: torch.Tensor, bias: torch.Tensor | None = None, scale: float = 1.0) -> LinearHead:
    """A head that is in 16 bit for products, as on processors where these are fast."""
    module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        module.weight.copy_(weight)
        if bias is not None:
            module.bias.copy_(bias)
    head = LinearHead(module, scale)
    head.low = head.weight.to(torch.bfloat16)
    return head


@st.composite
def heads_and_states(draw):
    """Heads whose rows come in equal and nearly equal copies, and states of several sizes."""
    noise = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    vocab, width = draw(st.sampled_from([1, 2, 3, 64, 65, 70, 300, 500])), draw(st.sampled_from([1, 4, 24, 200]))
    coarse, count = draw(st.booleans()), draw(st.integers(1, 6))

    def numbers(*shape: int) -> torch.Tensor:
        drawn = torch.randn(*shape, generator=noise)
        return (drawn * 2).round() / 2 if coarse else drawn  # halves make exact ties

    weight = numbers(vocab, width)
    copied, into = torch.randint(vocab, (2, vocab // 2), generator=noise)
    weight[into] = weight[copied] * (1 + draw(st.sampled_from([0, 1e-7, 1e-3])))
    states = numbers(count, width) * draw(st.sampled_from([0.0, 1e-3, 0.1, 1.0, 30.0]))
    bias = numbers(vocab) * draw(st.sampled_from([0.1, 30.0])) if draw(st.booleans()) else None
    return head_of(weight, bias, draw(st.sampled_from([1.0, 0.0625, 1e-3, 4.0]))), states


def by_definition(logits: torch.Tensor) -> dict[str, np.ndarray]:
    p = logits.double().softmax(-1)
    best = p.topk(min(2, p.shape[-1])).values
    second = best[:, 1] if best.shape[1] > 1 else torch.zeros(len(best))
    signals = {"max_prob": best[:, 0], "prob_margin": best[:, 0] - second, "entropy": torch.special.entr(p).sum(-1)}
    return {name: values.numpy() for name, values in signals.items()}


@given(heads_and_states(), st.booleans(), st.sampled_from([1, 5, 64]))
def test_no_signal_lies_outside(example, exactly, candidates):
    """Neither those of the logits that the model computes, nor those of logits in double precision."""
    head, states = example
    logits = head.logits(states)
    if exactly:
        bias = 0 if head.bias is None else head.bias.double()
        logits = (states.double() @ head.weight.double().T + bias) * head.scale
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounding, "CANDIDATES", candidates)
        found = bounds_of_states(head, states)
    for name, values in by_definition(logits).items():
        assert (getattr(found.low, name).numpy() <= values).all(), name
        assert (values <= getattr(found.high, name).numpy()).all(), name
    said = logits.argmax(-1)
    assert found.low.predictions[found.certain].tolist() == said[found.certain].tolist()
    assert found.high.predictions.tolist() == found.low.predictions.tolist()


@given(heads_and_states())
def test_without_the_entropy_all_else_is_the_same(example):
    head, states = example
    short, full = bounds_of_states(head, states, entropy=False), bounds_of_states(head, states)
    assert short.low.entropy.isnan().all() and short.high.entropy.isnan().all()
    assert torch.equal(short.certain, full.certain)
    for name in NAMES[:2]:
        torch.testing.assert_close(getattr(short.low, name), getattr(full.low, name))
        torch.testing.assert_close(getattr(short.high, name), getattr(full.high, name))


def test_a_tie_is_not_certain():
    head = head_of(torch.tensor([[1.0], [2.0], [2.0]]))
    found = bounds_of_states(head, torch.tensor([[1.0], [-1.0]]))
    assert found.certain.tolist() == [False, True]


def test_bounds_of_a_sure_token_are_narrow():
    torch.manual_seed(0)
    weight = torch.randn(2000, 64)
    states = 0.5 * weight[[3, 700]]
    found = bounds_of_states(head_of(weight), states)
    assert found.certain.all() and found.low.predictions.tolist() == [3, 700]
    for name in NAMES:
        assert ((getattr(found.high, name) - getattr(found.low, name)) < 0.01).all(), name


def test_logits_that_are_not_finite_have_no_bounds():
    found = bounds_of_states(head_of(torch.ones(3, 2)), torch.tensor([[torch.inf, 0.0], [1.0, 2.0]]))
    assert found.high.max_prob.isfinite().tolist() == [False, True]


KINDS: list[tuple[str, Task]] = [
    ("llama", "causal"),
    ("gemma2", "causal"),
    ("mixtral", "causal"),
    ("mamba", "causal"),
    ("jamba", "causal"),
    ("gpt2", "causal"),
    ("opt", "causal"),
    ("granite", "causal"),
    ("t5", "encoder-decoder"),
    ("bart", "encoder-decoder"),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("model_type", "task"), KINDS)
def test_what_enters_the_head_is_what_the_model_gives_it(model_type: str, task: Task, dtype: torch.dtype):
    """Whether the module in front of the head is called alone or with the model around it."""
    loaded = prepare(tiny_model(model_type, task).to(dtype), tiny_tokenizer(), task)
    shape = list(loaded.anatomy.state_shape)
    axis = loaded.anatomy.batch_axis
    shape[axis] = 5
    for seed, of in enumerate(sorted({*loaded.anatomy.state_dtypes}, key=str)):
        noise = torch.Generator().manual_seed(seed)
        states = torch.cat([size * torch.randn(shape, generator=noise) for size in (1e-3, 1, 300)], axis).to(of)
        found, watched = loaded.readout.head_input(states), loaded.readout._entering(states)
        assert found is not None and watched is not None
        assert found.dtype == watched.dtype and torch.equal(found, watched)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_norm_is_called_alone_only_where_nothing_else_is_done_to_a_state(dtype: torch.dtype):
    """Mamba keeps its residual stream in float32, and rounds it in front of its norm."""
    llama, mamba = (
        prepare(tiny_model(model_type, "causal").to(dtype), tiny_tokenizer(), "causal")
        for model_type in ("llama", "mamba")
    )
    assert {*mamba.anatomy.state_dtypes} == {torch.float32}
    assert llama.readout._norm is not None
    assert (mamba.readout._norm is not None) == (dtype == torch.float32)
