"""A linear head's logits one at a time and its cosines without them, against all logits in double precision."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from benchmark.decoding.prepare import prepare
from benchmark.readout import linear_head
from benchmark.readout.linear_head import LinearHead, cosine
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def head_of(weight: torch.Tensor, bias: torch.Tensor | None = None) -> LinearHead:
    module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
    with torch.no_grad():
        module.weight.copy_(weight)
        if bias is not None:
            module.bias.copy_(bias)
    return LinearHead(module, scale=1.0)


@st.composite
def heads(draw: st.DrawFn) -> LinearHead:
    """Heads of any size and type, with and without a bias, and logits that lie around zero or far from it."""
    noise = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    vocab, width = draw(st.integers(1, 40)), draw(st.integers(1, 16))
    weight = torch.randn(vocab, width, generator=noise) + draw(st.sampled_from([0.0, 3.0]))
    bias = torch.randn(vocab, generator=noise) * 5 if draw(st.booleans()) else None
    dtype = draw(st.sampled_from(DTYPES))
    return head_of(weight.to(dtype), None if bias is None else bias.to(dtype))


def some_states(head: LinearHead, *shape: int) -> torch.Tensor:
    noise = torch.Generator().manual_seed(1)
    return torch.randn(*shape, head.weight.shape[1], generator=noise).to(head.weight.dtype)


def all_logits(head: LinearHead, states: torch.Tensor) -> torch.Tensor:
    """In double precision."""
    logits = states.double() @ head.weight.double().T
    return logits if head.bias is None else logits + head.bias.double()


def largest_length(head: LinearHead, states: torch.Tensor) -> torch.Tensor:
    """How long the logits of each state could be, if nothing cancelled out."""
    bias = 0.0 if head.bias is None else head.bias.double().norm()
    return head.weight.double().norm() * states.double().norm(dim=-1) + bias


class TestExact:
    """Inner products in double precision, rounded once to the type of the head."""

    @given(heads())
    def test_every_logit(self, head: LinearHead):
        states, vocab = some_states(head, 3), len(head.weight)
        expected = all_logits(head, states).to(head.weight.dtype).double()
        for token in range(vocab):
            assert head.exact(states, torch.full((3,), token)).tolist() == expected[:, token].tolist()

    @pytest.mark.parametrize(
        ("dtype", "lost"), [(torch.float32, 2**-30), (torch.bfloat16, 2**-10), (torch.float16, 2**-13)], ids=str
    )
    def test_what_is_below_the_type_of_the_head_is_rounded_away(self, dtype: torch.dtype, lost: float):
        head = head_of(torch.tensor([[1.0, lost]], dtype=dtype))
        assert head.exact(torch.ones(1, 2, dtype=dtype), torch.tensor([0])).tolist() == [1.0]

    def test_parts_of_the_sum_are_not_rounded(self):
        head = head_of(torch.tensor([[1e8, 1.0, -1e8]]))
        assert head.exact(torch.ones(1, 3), torch.tensor([0])).tolist() == [1.0]  # in float32: 0

    def test_many_at_once_are_taken_in_blocks(self, monkeypatch: pytest.MonkeyPatch):
        head = head_of(torch.randn(20, 4))
        states, tokens = some_states(head, 50), torch.arange(50) % 20
        whole = head.exact(states, tokens)
        monkeypatch.setattr(linear_head, "_BLOCK_BYTES", 7 * 8 * 4)
        assert head.exact(states, tokens).tolist() == whole.tolist()

    def test_of_nothing(self):
        head = head_of(torch.randn(20, 4))
        assert head.exact(torch.empty(0, 4), torch.empty(0, dtype=torch.long)).tolist() == []


class TestCosines:
    """Of logit vectors, by Gram matrices."""

    @given(heads())
    def test_equal_those_of_the_logits(self, head: LinearHead):
        states = some_states(head, 4, 3)
        logits = all_logits(head, states)
        centred = logits - logits.mean(-1, keepdim=True)
        for found, vectors in zip(head.cosines(states, states[:, -1]), (centred, logits), strict=True):
            size = vectors.square().sum(-1)
            expected = cosine((vectors * vectors[:, -1:]).sum(-1), size, size[:, -1])
            # Where nearly all of a vector cancels out, what is left is the rounding of float32 and has no direction.
            has_length = size.sqrt() > 0.03 * largest_length(head, states)
            where = has_length & has_length[:, -1:]
            torch.testing.assert_close(found[where].double(), expected[where], atol=1e-4, rtol=0)

    @pytest.mark.parametrize("bias", [None, torch.linspace(-2, 5, 30)], ids=["plain", "bias"])
    def test_the_gram_matrix_is_summed_in_blocks(self, bias: torch.Tensor | None, monkeypatch: pytest.MonkeyPatch):
        weight, states = torch.randn(30, 4), torch.randn(5, 2, 4)
        whole = head_of(weight, bias).cosines(states, states[:, -1])
        monkeypatch.setattr(linear_head, "_BLOCK_BYTES", 7 * 8 * 4)
        torch.testing.assert_close(head_of(weight, bias).cosines(states, states[:, -1]), whole)

    def test_a_mean_that_outweighs_all_differences_costs_no_precision(self):
        """The mean of a real model's logits is often ten times their spread."""
        head = head_of(torch.randn(200, 8, generator=torch.Generator().manual_seed(0)) + 100)
        states = some_states(head, 6, 4) + 1
        logits = all_logits(head, states)
        centred = logits - logits.mean(-1, keepdim=True)
        size = centred.square().sum(-1)
        expected = cosine((centred * centred[:, -1:]).sum(-1), size, size[:, -1])
        torch.testing.assert_close(head.cosines(states, states[:, -1])[0].double(), expected, atol=1e-4, rtol=0)

    def test_a_vector_without_length_is_similar_to_nothing(self):
        head = head_of(torch.randn(9, 4))
        states = torch.stack([torch.zeros(4), torch.ones(4)])[None]
        for similarity in head.cosines(states, states[:, -1]):
            assert similarity[0, 0] == 0
            assert similarity[0, 1] == pytest.approx(1)

    def test_cosines_lie_between_minus_one_and_one(self):
        dot, square = torch.tensor([[1.0000001, -1.0000001]]), torch.ones(1, 2)
        assert cosine(dot, square, torch.ones(1)).tolist() == [[1.0, -1.0]]


class TestFits:
    """Which heads are nothing but a product with weights that are at hand."""

    def test_a_linear_layer_fits(self):
        assert LinearHead.fits(nn.Linear(4, 9), vocab_size=9)

    @pytest.mark.parametrize(
        "module",
        [
            None,
            nn.Embedding(9, 4),
            nn.Linear(4, 8),
            nn.Linear(4, 9, device="meta"),
            nn.Linear(4, 9, dtype=torch.float64),
            type("Twice", (nn.Linear,), {"forward": lambda self, state: 2 * nn.Linear.forward(self, state)})(4, 9),
        ],
        ids=["none", "no-linear", "another-size", "kept-elsewhere", "another-type", "another-forward"],
    )
    def test_what_does_not(self, module: nn.Module | None):
        assert not LinearHead.fits(module, vocab_size=9)


class TestFoundInModels:
    """What the readout of a model says of its head."""

    @pytest.mark.parametrize(("kind", "scale"), [("llama", 1.0), ("cohere", 0.0625), ("granite", 0.25)])
    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    def test_the_scale_of_the_logits(self, kind: str, scale: float, dtype: torch.dtype):
        loaded = prepare(tiny_model(kind, "causal").to(dtype), tiny_tokenizer(), "causal")
        assert loaded.readout.head.scale == pytest.approx(scale, rel=1e-6)

    @pytest.mark.parametrize("cap", [5.0, 30.0, 300.0])
    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    def test_capped_logits_are_not_linear(self, cap: float, dtype: torch.dtype):
        model = tiny_model("gemma2", "causal", final_logit_softcapping=cap).to(dtype)
        assert prepare(model, tiny_tokenizer(), "causal").readout.head is None

    @pytest.mark.parametrize("bias", [1e-6, 0.1, 50.0])
    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    def test_a_bias_behind_the_head_is_not_linear_however_small(self, bias: float, dtype: torch.dtype):
        model = tiny_model("bart", "encoder-decoder").to(dtype)
        model.final_logits_bias[0, 7] = bias
        assert prepare(model, tiny_tokenizer(), "encoder-decoder").readout.head is None
