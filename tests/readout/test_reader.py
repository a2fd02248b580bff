"""What is read of every exit: held against the plain twin, on planted ties, in pieces, and on numbers that are none."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from captures import decode, fill_masks
from plain_twin import Plain, decoded_plainly, filled_plainly

from benchmark.decoding.prepare import prepare
from benchmark.errors import MeasurementError
from benchmark.readout import reader as reading
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.portions import portions_of
from benchmark.readout.reader import Reader
from benchmark.readout.reading import Chosen, Reading
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.arrays import OF_SAMPLE, OF_SIGNALS
from benchmark.trace.record import Trace
from benchmark.trace.sample import Sampling

# By length, which is the order in which they are read.
TEXTS = ("the cat sat", "hello there", "one two three four", "a dog barked at the moon")
NEW_TOKENS, MASKS, TOP_K = 6, 4, 5
EVERY_TOKEN = Sampling(tokens=None, top_k=TOP_K)
ALL_SIGNALS = Sampling(tokens=3, top_k=TOP_K, signals="all")

KINDS = {
    "llama": "causal",
    "gpt2": "causal",
    "gemma2": "causal",  # caps its logits
    "cohere": "causal",  # scales them, and its layers have no halves
    "granite": "causal",  # scales them
    "opt": "causal",
    "mixtral": "causal",
    "mamba": "causal",
    "jamba": "causal",
    "rwkv": "causal",  # only some of its layers have halves
    "gemma3n_text": "causal",  # its states have four axes, the first is not the batch
    "t5": "encoder-decoder",  # scales the state in front of the head
    "bart": "encoder-decoder",  # adds a bias behind the head
    "bert": "masked",  # its head has a bias
    "modernbert": "masked",
}
NOT_LINEAR = ("gemma2", "gemma3n_text", "bart")
CASES = [(kind, dtype) for kind in KINDS for dtype in (torch.float32, torch.bfloat16)]


def loaded(
    kind: str = "llama", dtype: torch.dtype = torch.float32, plant: Callable[..., None] | None = None
) -> LoadedModel:
    model = tiny_model(kind, KINDS[kind])
    if kind == "bart":
        model.final_logits_bias.normal_(generator=torch.Generator().manual_seed(0))
    if plant is not None:
        with torch.no_grad():
            plant(model)
    return prepare(model.to(dtype), tiny_tokenizer(), KINDS[kind])


def ids_of(model: LoadedModel) -> list[list[int]]:
    return [model.tokenizer(text).input_ids for text in TEXTS]


def run(model: LoadedModel, sampling: Sampling = EVERY_TOKEN) -> Trace:
    return decode(model, ids_of(model), NEW_TOKENS, 1, sampling=sampling).trace


def run_plainly(model: LoadedModel) -> Plain:
    return decoded_plainly(model, ids_of(model), NEW_TOKENS)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{str(case[1]).removeprefix('torch.')}")
def both(request: pytest.FixtureRequest) -> tuple[Trace, Plain]:
    """What was recorded, and what the twin finds."""
    kind, dtype = request.param
    model = loaded(kind, dtype)
    assert (model.readout.head is None) == (kind in NOT_LINEAR)
    if KINDS[kind] != "masked":
        return run(model), run_plainly(model)
    texts = ids_of(model)
    trace = fill_masks(model, texts, MASKS, 1, sampling=EVERY_TOKEN).trace
    return trace, filled_plainly(model, texts, [trace.position[trace.prompt == number] for number in range(len(texts))])


class TestAgainstTheTwin:
    """Exits and halves to the last bit, the rest to rounding."""

    def test_targets_are_what_the_model_writes(self, both):
        trace, plain = both
        assert trace.target.tolist() == plain.target.tolist()

    def test_exits(self, both):
        trace, plain = both
        assert trace.matches.tolist() == (plain.said == plain.said[:, -1:]).tolist()

    def test_halves(self, both):
        trace, plain = both
        matches = np.where(plain.half_said < 0, -1, plain.half_said == plain.said[:, -1:])
        assert trace.half_matches.tolist() == matches.tolist()

    def test_predictions(self, both):
        trace, plain = both
        clear = told_clearly(plain)
        assert trace.predictions[clear].tolist() == plain.said[clear].tolist()

    def test_similarities(self, both):
        trace, plain = both
        centred = plain.unrounded - plain.unrounded.mean(axis=-1, keepdims=True)
        for found, vectors in (
            (trace.similarity_logit, centred),
            (trace.similarity_logit_raw, plain.unrounded),
            (trace.similarity_hidden, plain.entered),
        ):
            np.testing.assert_allclose(found, cosine_to_last(vectors), atol=1e-5)

    def test_entropy_and_divergence(self, both):
        trace, plain = both
        p = np.exp(plain.logits) / np.exp(plain.logits).sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(trace.entropy, -(p * np.log(p)).sum(axis=-1), atol=1e-5)
        np.testing.assert_allclose(trace.kl, (p[:, -1:] * np.log(p[:, -1:] / p)).sum(axis=-1), atol=1e-5)

    def test_probabilities(self, both):
        trace, plain = both
        p = np.exp(plain.logits) / np.exp(plain.logits).sum(axis=-1, keepdims=True)
        *_, second, largest = np.moveaxis(np.sort(p, axis=-1), -1, 0)
        np.testing.assert_allclose(trace.max_prob, largest, atol=1e-5)
        np.testing.assert_allclose(trace.prob_margin, largest - second, atol=1e-5)

    def test_similarity_to_the_layer_before(self, both):
        trace, plain = both
        length = np.linalg.norm(plain.states, axis=-1)
        cosine = (plain.states[:, 1:] * plain.states[:, :-1]).sum(axis=-1) / (length[:, 1:] * length[:, :-1])
        assert np.isnan(trace.similarity_previous[:, 0]).all()
        np.testing.assert_allclose(trace.similarity_previous[:, 1:], cosine, atol=1e-5)

    def test_margins(self, both):
        trace, plain = both
        *_, second, largest = np.moveaxis(np.sort(plain.logits, axis=-1), -1, 0)
        np.testing.assert_allclose(trace.layer_margin, largest - second, atol=1e-5)
        np.testing.assert_allclose(trace.margin, (largest - second)[:, -1], atol=1e-5)

    def test_ranks(self, both):
        trace, plain = both
        ranking = np.argsort(-plain.logits, axis=-1, kind="stable")  # equals by their id
        rank, clear = 1 + (ranking == plain.target[:, None, None]).argmax(axis=-1), told_clearly(plain)
        assert trace.rank[clear].tolist() == rank[clear].tolist()

    def test_most_likely_tokens(self, both):
        trace, plain = both
        ranking = np.argsort(-plain.logits, axis=-1)
        best = [[set(layer[:TOP_K]) for layer in token] for token in ranking]
        shared = np.array([[len(some & token[-1]) / TOP_K for some in token] for token in best])
        # Among equals at the edge, either may be counted.
        ordered = -np.sort(-plain.logits, axis=-1)
        clear = ordered[..., TOP_K - 1] - ordered[..., TOP_K] > 1e-5
        clear &= clear[:, -1:]
        assert clear.mean() > 0.5
        np.testing.assert_allclose(trace.similarity_topk[clear], shared[clear], atol=1e-6)


def told_clearly(plain: Plain) -> np.ndarray:
    """T × L: where the model's own product rounds to the same argmax as the exact one, as it mostly does."""
    clear = plain.said == plain.logits.argmax(axis=-1)
    clear &= clear[:, -1:]
    assert clear.mean() > 0.9
    return clear


def cosine_to_last(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1)
    return (vectors * vectors[:, -1:]).sum(axis=-1) / (length * length[:, -1:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
class TestTies:
    """Equal logits, planted: the lowest id is the argmax, in every layer alike."""

    def test_tokens_in_pairs_of_equal_logits(self, dtype):
        def pair_up(model):
            weight = model.lm_head.weight
            weight[1::2] = weight[::2]

        model = loaded(dtype=dtype, plant=pair_up)
        trace, plain = run(model), run_plainly(model)
        assert (trace.margin == 0).all()
        assert (trace.target % 2 == 0).all()
        assert trace.matches.tolist() == (plain.said == plain.said[:, -1:]).tolist()
        assert trace.half_matches.tolist() == (plain.half_said == plain.said[:, -1:]).tolist()

    def test_layers_that_change_nothing_match_wherever_the_last_one_does(self, dtype):
        def silence(model):
            model.lm_head.weight[64:] = model.lm_head.weight[:64]
            for layer in model.model.layers[2:]:
                layer.self_attn.o_proj.weight.zero_()
                layer.mlp.down_proj.weight.zero_()

        trace = run(loaded(dtype=dtype, plant=silence))
        assert trace.matches[:, 1:].all()
        assert not trace.matches[:, 0].all()
        assert (trace.predictions[:, 1:] == trace.target[:, None]).all()
        np.testing.assert_allclose(trace.similarity_logit[:, 1:], 1, atol=1e-6)
        np.testing.assert_allclose(trace.kl[:, 1:], 0, atol=1e-6)

    def test_a_vocabulary_of_nothing_but_ties(self, dtype):
        trace = run(loaded(dtype=dtype, plant=lambda model: model.lm_head.weight.zero_()))
        assert trace.matches.all() and (trace.half_matches == 1).all()
        assert (trace.predictions == 0).all() and (trace.rank == 1).all()
        assert (trace.similarity_logit == 0).all()  # vectors without length


def test_what_enters_a_head_that_is_not_called_is_not_known():
    model = prepare(tiny_model("mobilebert", "masked"), tiny_tokenizer(), "masked")
    trace = fill_masks(model, ids_of(model), MASKS, 2, sampling=EVERY_TOKEN).trace
    assert np.isnan(trace.similarity_hidden).all()
    assert trace.matches[:, -1].all()
    assert trace.matches.tolist() == (trace.predictions == trace.target[:, None]).tolist()


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_a_large_vocabulary_costs_no_precision(kind):
    model = tiny_model(kind, "causal", vocab_size=50_000, tie_word_embeddings=True)
    trace = run(prepare(model, tiny_tokenizer(), "causal"))
    np.testing.assert_allclose(trace.similarity_logit[:, -1], 1, atol=1e-6)
    np.testing.assert_allclose(trace.similarity_logit_raw[:, -1], 1, atol=1e-6)


class TestTwoWays:
    """The screen, and all logits: the same outcome."""

    @pytest.mark.parametrize("kind", ["llama", "granite", "t5"])
    def test_of_a_linear_head(self, kind):
        model = loaded(kind)
        screened = run(model)
        model.readout.head = None
        assert_same(run(model), screened)

    @pytest.mark.parametrize("kind", ["llama", "gemma2"])
    @pytest.mark.parametrize("tokens", [0, 1, 7])
    def test_the_size_of_the_sample_changes_no_exit(self, kind, tokens):
        model = loaded(kind)
        sampling = replace(EVERY_TOKEN, tokens=tokens)
        every, some = run(model), run(model, sampling)
        assert some.sampled.tolist() == sampling.choose(len(TEXTS), NEW_TOKENS)[some.prompt, some.position].tolist()
        assert some.matches.tolist() == every.matches.tolist()
        for name in (*OF_SAMPLE, *OF_SIGNALS):
            np.testing.assert_allclose(getattr(some, name), getattr(every, name)[some.sampled], atol=1e-5)

    @pytest.mark.parametrize("kind", ["llama", "gemma2"])
    def test_a_sample_or_all_signals_change_no_exit(self, kind):
        model = loaded(kind)
        every, some = run(model), run(model, ALL_SIGNALS)
        assert 0 < some.sampled.sum() < some.num_tokens and some.signalled.all()
        assert_same(replace(some, **{name: getattr(every, name) for name in ("sampled", *OF_SAMPLE)}), every)

    @pytest.mark.parametrize("kind", ["llama", "gemma2"])
    def test_products_in_pieces(self, kind, monkeypatch: pytest.MonkeyPatch):
        model = loaded(kind)
        whole = run(model)
        few = 3 * 4 * model.anatomy.num_layers * model.readout.vocab_size
        sizes = replace(portions_of(torch.device("cpu")), logits_bytes=few)
        monkeypatch.setattr(reading, "portions_of", lambda device: sizes)
        assert_same(run(model), whole)


def assert_same(found: Trace, expected: Trace) -> None:
    for name, array in vars(expected).items():
        if array.dtype.kind == "f":
            np.testing.assert_allclose(getattr(found, name), array, atol=1e-5, err_msg=name)
        else:
            assert getattr(found, name).tolist() == array.tolist(), name


@pytest.fixture(scope="module", params=["llama", "gemma2"])
def model(request: pytest.FixtureRequest) -> LoadedModel:
    return loaded(request.param)


class TestRefusals:
    """Numbers that are none, and logits that are not the model's."""

    @staticmethod
    def read(model: LoadedModel, states: list[torch.Tensor], shift: float = 0.0) -> Reading:
        chosen = Chosen.of(model.readout.logits(states[-1])[:, 0].clone())
        chosen = replace(chosen, logit=chosen.logit + shift * chosen.largest)
        sampled = torch.tensor([True, False])
        return Reader(model.readout, model.anatomy, TOP_K).read(states, chosen, sampled, [None] * len(states))

    @pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
    @pytest.mark.parametrize("token", [0, 1])
    def test_what_is_not_finite_is_refused_with_its_layer(self, model, token, value):
        states = [torch.randn(2, 1, 32) for _ in range(4)]
        states[1][token, 0, 0] = value
        with pytest.raises(MeasurementError, match=r"logits are (NaN|not finite) from layer 2 of 4 on"):
            self.read(model, states)

    def test_logits_that_overflow_where_states_do_not_are_refused(self):
        half = loaded(dtype=torch.float16)
        states = [torch.full((2, 1, 32), 1.0, dtype=torch.float16)] * 4
        half.model.lm_head.weight.fill_(6e4)
        with pytest.raises(MeasurementError, match="logits are not finite from layer 4 of 4 on"):
            self.read(half, states)

    def test_logits_that_are_not_those_of_the_model_are_refused(self, model):
        states = [torch.randn(2, 1, 32) for _ in range(4)]
        self.read(model, states, shift=1e-6)
        with pytest.raises(MeasurementError, match=r"another logit than the model, by 0\.001 of the largest"):
            self.read(model, states, shift=1e-3)

    def test_more_of_the_most_likely_than_there_are_tokens(self, model):
        Reader(model.readout, model.anatomy, top_k=128)
        with pytest.raises(MeasurementError, match="K = 129 is larger than the vocabulary of 128 tokens"):
            Reader(model.readout, model.anatomy, top_k=129)


class TestChosen:
    """What decoding says of its tokens."""

    LOGITS = torch.tensor([[1.0, -4.0, 3.0], [2.0, 2.0, 0.5]])

    def test_of_logits(self):
        chosen = Chosen.of(self.LOGITS)
        assert [getattr(chosen, name).tolist() for name in ("target", "logit", "margin", "largest")] == [
            [2, 0],
            [3.0, 2.0],
            [2.0, 0.0],
            [4.0, 2.0],
        ]

    def test_the_logits_are_given_back_as_they_were(self):
        logits = self.LOGITS.clone()
        Chosen.of(logits)
        assert logits.tolist() == self.LOGITS.tolist()

    def test_some_of_several_parts(self):
        joined = Chosen.joined([Chosen.of(self.LOGITS), Chosen.of(-self.LOGITS)])
        assert joined.target.tolist() == [2, 0, 1, 2]
        assert joined.at(torch.tensor([3, 0])).target.tolist() == [2, 2]
