"""What the screen says of argmaxes, against every logit computed in double precision."""

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from benchmark.readout import screen as screening
from benchmark.readout.linear_head import LinearHead
from benchmark.readout.portions import portions_of
from benchmark.readout.screen import Screen

DTYPES = [torch.float32, torch.bfloat16, torch.float16]

# The fixture below is the same for every example.
MANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=[7, 4096], ids=lambda size: f"blocks of {size}", autouse=True)
def blocks(request):
    """Blocks of the vocabulary smaller than the tests' heads, and the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        sizes = replace(portions_of(torch.device("cpu")), vocabulary=request.param)
        patch.setattr(screening, "portions_of", lambda device: sizes)
        yield


def head_of(weight: torch.Tensor, bias: torch.Tensor | None = None) -> LinearHead:
    module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
    with torch.no_grad():
        module.weight.copy_(weight)
        if bias is not None:
            module.bias.copy_(bias)
    return LinearHead(module, scale=1.0)


def plain_logits(head: LinearHead, states: torch.Tensor) -> torch.Tensor:
    """The plain twin: all logits, in double precision, rounded once."""
    logits = states.double() @ head.weight.double().T
    if head.bias is not None:
        logits += head.bias.double()
    return logits.to(head.weight.dtype).double()


@st.composite
def heads_and_states(draw):
    """Heads whose rows come in equal and nearly equal copies, and states in which these win."""
    seed, dtype = draw(st.integers(0, 10_000)), draw(st.sampled_from(DTYPES))
    vocab, width, count = draw(st.integers(1, 60)), draw(st.integers(1, 24)), draw(st.integers(1, 12))
    coarse, biased = draw(st.booleans()), draw(st.booleans())
    noise = torch.Generator().manual_seed(seed)

    def numbers(*shape: int) -> torch.Tensor:
        drawn = torch.randn(*shape, generator=noise)
        return (drawn * 2).round() / 2 if coarse else drawn  # halves make exact ties

    weight = numbers(vocab, width)
    copied = torch.randint(vocab, (vocab // 2,), generator=noise)
    into = torch.randint(vocab, (vocab // 2,), generator=noise)
    weight[into] = weight[copied] * (1 + draw(st.sampled_from([0, 1e-7, 1e-3])))
    states = numbers(count, width) + weight[torch.randint(vocab, (count,), generator=noise)]
    states *= draw(st.sampled_from([0.0, 1e-3, 1.0, 50.0]))
    bias = numbers(vocab).to(dtype) * draw(st.sampled_from([1.0, 30.0])) if biased else None
    return head_of(weight.to(dtype), bias), states.to(dtype)


@MANY
@given(heads_and_states(), st.integers(0, 2**31))
def test_the_screen_finds_what_all_logits_say(example, seed):
    head, states = example
    logits = plain_logits(head, states)
    best = logits.argmax(-1)
    screen = Screen(head)
    other = torch.randint(len(head.weight), best.shape, generator=torch.Generator().manual_seed(seed))
    for tokens in (best, other, logits.flip(-1).argmax(-1).mul(-1).add(len(head.weight) - 1)):
        assert screen.matches(states, tokens).tolist() == (tokens == best).tolist()
        screen.learn(tokens)  # from now on with witnesses


@MANY
@given(heads_and_states())
def test_the_exact_argmax_is_the_lowest_among_equals(example):
    head, states = example
    logits = plain_logits(head, states)
    last_of_equals = len(head.weight) - 1 - logits.flip(-1).argmax(-1)
    assert Screen(head).argmax(states, last_of_equals).tolist() == logits.argmax(-1).tolist()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_large_heads_are_screened_block_by_block(dtype):
    torch.manual_seed(0)
    head = head_of(torch.randn(20_000, 16).to(dtype))
    states = torch.randn(200, 16).to(dtype)
    best = plain_logits(head, states).argmax(-1)
    tokens = torch.where(torch.arange(200) % 2 == 0, best, (best + 9_000) % 20_000)
    screen = Screen(head)
    screen.learn(best[:20])
    assert screen.matches(states, tokens).tolist() == (torch.arange(200) % 2 == 0).tolist()


def test_a_witness_spares_the_product_with_the_vocabulary():
    head = head_of(torch.eye(8))
    states = torch.eye(8)[[3, 3, 5]]
    screen = Screen(head)
    screen.learn(torch.tensor([3]))
    assert screen.matches(states, torch.tensor([1, 3, 5])).tolist() == [False, True, True]
    assert screen.products == 2  # the first state was decided by the witness


@MANY
@given(heads_and_states())
def test_near_ties_are_noticed_wherever_rounding_may_choose_another_token(example):
    head, states = example
    exact = plain_logits(head, states)
    said = torch.nn.functional.linear(states, head.weight, head.bias).float()
    best = said.max(-1)
    margins = best.values - said.scatter(-1, best.indices[:, None], -torch.inf).amax(-1)
    near = Screen(head).near_ties(states, best.values, margins)
    differs = exact.argmax(-1) != best.indices
    assert not (differs & ~near).any()
