"""Texts that are given: read in one pass over many, they have the exits that decoding them has."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from captures import decode

from benchmark.decoding.buffer import capture
from benchmark.decoding.engine import Limits, Step
from benchmark.decoding.engines import given_text
from benchmark.decoding.engines.given_text import GivenText, most_positions
from benchmark.decoding.prepare import prepare
from benchmark.decoding.proven import capture_proven
from benchmark.readout import portions
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.portions import Portions
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.record import GivenTrace, Trace
from benchmark.trace.sample import Sampling

PROMPTS = ("the cat sat", "a dog barked at the moon", "hello there", "one two three four")
NEW_TOKENS = 20
KINDS = {
    "llama": {},
    "gpt2": {},
    "mixtral": {},
    "mamba": {},
    "jamba": {},
    "gemma2": {},
    "mistral": {"sliding_window": 8},
    "t5": {"task": "encoder-decoder"},
}
SAMPLING = Sampling(tokens=9, top_k=5)


def loaded(model_type: str, task: str = "causal", **overrides) -> LoadedModel:
    return prepare(tiny_model(model_type, task, **overrides), tiny_tokenizer(), task)


def encoded(model: LoadedModel) -> list[list[int]]:
    return [model.tokenizer(text).input_ids for text in PROMPTS]


def texts_of(trace: Trace) -> list[list[int]]:
    return [trace.target[trace.prompt == number].tolist() for number in range(len(PROMPTS))]


def given(model: LoadedModel, texts: list[list[int]], batch_size: int = 4) -> Trace:
    """All of the texts, whose first must be as long as any for the sample to be that of decoding."""
    engine, limits = GivenText(texts), Limits(NEW_TOKENS, batch_size)
    return capture(engine, model, encoded(model), limits, SAMPLING, given=texts).trace


def assert_same(found: Trace, expected: Trace) -> None:
    for name, array in vars(expected).items():
        if np.issubdtype(array.dtype, np.floating):
            np.testing.assert_allclose(getattr(found, name), array, atol=1e-5, err_msg=name)
        else:
            assert getattr(found, name).tolist() == array.tolist(), name


@pytest.mark.parametrize("model_type", KINDS)
def test_a_decoded_text_that_is_given_back_has_the_trace_it_had(model_type: str):
    model = loaded(model_type, **KINDS[model_type])
    prompts, limits = encoded(model), Limits(NEW_TOKENS, 4)
    decoded = capture_proven(model, prompts, limits, SAMPLING).capture.trace
    back = capture_proven(model, prompts, limits, SAMPLING, given=texts_of(decoded))
    assert isinstance(back.capture.trace, GivenTrace)
    assert_same(back.capture.trace, decoded)
    assert back.capture.trace.token.tolist() == decoded.target.tolist()
    assert back.again.tokens > 0 and back.again.differing == 0


def test_any_text_is_read_as_a_fresh_pass_over_it_reads_it():
    """Of tokens that the model would not have written, the model's own are the target."""
    model = loaded("llama")
    texts = [[9, 9, 40], [17], [50, 60, 70, 80, 90], [33, 34, 35, 36]]
    trace = given(model, texts)
    for number, (prompt, text) in enumerate(zip(encoded(model), texts, strict=True)):
        with torch.inference_mode():
            logits = model.model(input_ids=torch.tensor([[*prompt, *text]]), use_cache=False).logits[0]
        mine = trace.prompt == number
        assert trace.target[mine].tolist() == logits.argmax(-1)[len(prompt) - 1 : -1].tolist()
        assert trace.token[mine].tolist() == text
        assert "".join(trace.text[mine]) == model.tokenizer.decode(text)
    assert (trace.token != trace.target).any()


@pytest.mark.parametrize("model_type", ["llama", "jamba"])
def test_texts_together_are_as_texts_alone(model_type: str):
    model = loaded(model_type)
    texts = texts_of(decode(model, encoded(model), NEW_TOKENS, 1).trace)
    together, alone = given(model, texts), given(model, texts, batch_size=1)
    assert_same(together, alone)


def test_recurrent_models_see_texts_of_equal_length_only():
    model = loaded("mamba")
    prompts, texts = encoded(model), [[7, 8], [7, 8, 9], [9, 8], [7, 8]]
    lengths = [len(prompt) + len(text) for prompt, text in zip(prompts, texts, strict=True)]
    batches = list(GivenText(texts).batches(model, prompts, 4))
    assert [len({lengths[member] for member in batch}) for batch in batches] == [1] * len(batches)
    assert max(map(len, batches)) == 2


def test_a_text_that_passes_a_threshold_is_alone():
    model = replace(loaded("llama"), thresholds=(13,))
    batches = list(GivenText([[5] * 6] * 4).batches(model, encoded(model), 4))
    assert sorted(map(sorted, batches)) == [
        [0],
        [1, 3],
        [2],
    ]  # two prompts have eleven letters, the others more than fourteen


@pytest.mark.parametrize("waiting, logits", [(1, 10**9), (10**9, 1), (1, 1)])
def test_memory_is_bounded_and_changes_nothing(waiting: int, logits: int, monkeypatch: pytest.MonkeyPatch):
    """A text that is longer than a pass takes several, and what logits are not held is read out of the states."""
    model = loaded("llama")
    prompts = encoded(model)
    texts = texts_of(decode(model, prompts, NEW_TOKENS, 1).trace)
    expected = given(model, texts)
    few = Portions(waiting * 8 * model.anatomy.state_bytes, 3, logits * 4 * model.readout.vocab_size, 64)
    monkeypatch.setattr(given_text, "portions_of", lambda device: few)
    shown: list[int] = []
    monkeypatch.setattr(given_text, "forward_logits", counting(shown, given_text.forward_logits))
    assert_same(given(model, texts), expected)
    assert max(shown) <= max(len(PROMPTS), logits)  # one position of each text at least
    assert (most_positions(model) < 100) == (waiting == 1)
    assert portions.portions_of(model.device) is not few


def test_a_pass_of_a_streamed_model_shows_more_than_waits_to_be_read(monkeypatch: pytest.MonkeyPatch):
    model = loaded("llama")
    texts = texts_of(decode(model, encoded(model), NEW_TOKENS, 1).trace)
    expected, streamed = given(model, texts), replace(model, streamed=True)
    waiting = 8 * 2 * model.anatomy.state_bytes  # eight tokens, with the halves of their layers
    monkeypatch.setattr(given_text, "portions_of", lambda device: Portions(waiting, 3, 10**9, 64))
    assert most_positions(model) == 64 < most_positions(streamed)
    portions: list[int] = []
    monkeypatch.setattr(
        given_text, "Step", lambda prompts, *rest: portions.append(len(prompts)) or Step(prompts, *rest)
    )
    assert_same(given(streamed, texts), expected)
    assert sum(portions) == sum(map(len, texts)) and max(portions) == 8


def counting(shown: list[int], forward):
    def counted(model, task, ids, encoded, last):
        shown.append(len(ids) * last)
        return forward(model, task, ids, encoded, last)

    return counted


def test_a_pass_for_each_token_gives_the_same():
    model = loaded("llama")
    texts = texts_of(decode(model, encoded(model), NEW_TOKENS, 1).trace)
    engine = GivenText(texts, each_token=True)
    slow = capture(engine, model, encoded(model), Limits(NEW_TOKENS, 4), SAMPLING, given=texts).trace
    assert_same(slow, given(model, texts))


def test_progress_counts_every_token_and_every_text():
    model, seen = loaded("llama"), []
    texts = [[7, 8], [7, 8, 9], [9], [7, 8]]
    limits = Limits(NEW_TOKENS, 3)
    capture(GivenText(texts), model, encoded(model), limits, SAMPLING, lambda *some: seen.append(some), texts)
    assert [sum(column) for column in zip(*seen, strict=True)] == [8, 4]


class TestTheEmbeddedModel:
    """Real weights, in float32."""

    def test_a_decoded_text_that_is_given_back_has_the_exits_it_had(self, embedded: LoadedModel):
        prompts = [embedded.tokenizer(text).input_ids for text in ("The capital of France is", "def fibonacci(n):\n")]
        limits, few = Limits(24, 2), Sampling(tokens=2)
        decoded = capture_proven(embedded, prompts, limits, few).capture.trace
        texts = [decoded.target[decoded.prompt == number].tolist() for number in range(2)]
        back = capture_proven(embedded, prompts, limits, few, given=texts).capture
        assert back.batch_size == 2
        assert back.trace.target.tolist() == decoded.target.tolist()
        assert back.trace.matches.tolist() == decoded.matches.tolist()
        np.testing.assert_allclose(back.trace.similarity_logit, decoded.similarity_logit, atol=1e-4)
