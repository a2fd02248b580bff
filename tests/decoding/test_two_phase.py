"""Two phases: what a model writes undisturbed and then reads has the exits that decoding step by step finds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from captures import decode

from benchmark.decoding import proven, two_phase
from benchmark.decoding.engine import Limits
from benchmark.decoding.engines import write as writing
from benchmark.decoding.prepare import prepare
from benchmark.decoding.proven import Proven, capture_proven
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.record import Trace, WrittenTrace
from benchmark.trace.sample import Sampling

PROMPTS = ("the cat sat", "a dog barked at the moon", "hello there", "one two three four", "so")
NEW_TOKENS = 12
SAMPLING = Sampling(tokens=9, top_k=5)
KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "gemma2": {},
    "qwen3": {},
    "gpt2": {},
    "mixtral": {},
    "jamba": {},
    "t5": {"task": "encoder-decoder"},
}


def loaded(model_type: str, task: str = "causal", **overrides: Any) -> LoadedModel:
    return prepare(tiny_model(model_type, task, **overrides), tiny_tokenizer(), task)


def encoded(model: LoadedModel) -> list[list[int]]:
    return [model.tokenizer(text).input_ids for text in PROMPTS]


def in_two_phases(model: LoadedModel, limits: Limits, prompts: Sequence[Sequence[int]] | None = None) -> Proven:
    return capture_proven(model, prompts or encoded(model), limits, SAMPLING, in_two_phases=True)


def assert_same(found: Trace, expected: Trace) -> None:
    """Exactly where exits are concerned, and within rounding elsewhere; the sample is the same."""
    for name, array in vars(expected).items():
        if np.issubdtype(array.dtype, np.floating):
            np.testing.assert_allclose(getattr(found, name), array, atol=1e-5, err_msg=name)
        else:
            assert getattr(found, name).tolist() == array.tolist(), name


@pytest.mark.parametrize("model_type", KINDS)
def test_the_trace_is_that_of_decoding_step_by_step(model_type: str):
    model = loaded(model_type, **KINDS[model_type])
    found = in_two_phases(model, Limits(NEW_TOKENS, 2))
    assert found.in_two_phases and type(found.capture.trace) is Trace
    assert_same(found.capture.trace, decode(model, encoded(model), NEW_TOKENS, 2, sampling=SAMPLING).trace)
    assert found.again.tokens > 0 and found.again.differing == 0


def test_of_a_real_model(embedded: LoadedModel):
    prompts = [embedded.tokenizer(text).input_ids for text in ("def add(a, b):\n", "The capital of France is")]
    found = in_two_phases(embedded, Limits(24, 2), prompts)
    expected = decode(embedded, prompts, 24, 2, sampling=SAMPLING).trace
    assert found.in_two_phases
    for name in ("target", "matches", "text", "sampled"):
        assert getattr(found.capture.trace, name).tolist() == getattr(expected, name).tolist(), name


def other_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second token of each text be another one than the model's."""

    def wrong(*asked: Any) -> list[list[int]]:
        return [[text[0], text[1] ^ 1, *text[2:]] for text in writing.write(*asked)]

    monkeypatch.setattr(two_phase, "write", wrong)


def test_where_the_phases_are_not_the_same_model_it_is_decoded_step_by_step(monkeypatch: pytest.MonkeyPatch):
    model = loaded("llama")
    expected = decode(model, encoded(model), NEW_TOKENS, 2, sampling=SAMPLING).trace
    other_texts(monkeypatch)
    found = in_two_phases(model, Limits(NEW_TOKENS, 2))
    assert not found.in_two_phases
    assert_same(found.capture.trace, expected)


def test_without_a_cache_nothing_is_written_beforehand(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(two_phase, "write", None)
    found = in_two_phases(replace(loaded("llama"), with_cache=False), Limits(3, 1))
    assert not found.in_two_phases and not found.model.with_cache


def test_a_token_that_rounding_turned_over_stands_in_the_text_and_the_other_is_the_target(
    monkeypatch: pytest.MonkeyPatch,
):
    model = loaded("llama")
    monkeypatch.setattr(proven, "NEAR_TIE", np.inf)
    other_texts(monkeypatch)
    trace = in_two_phases(model, Limits(NEW_TOKENS, 2)).capture.trace
    assert isinstance(trace, WrittenTrace)
    second = trace.position == 1
    assert (trace.token[second] == trace.target[second] ^ 1).all()
    for number, prompt in enumerate(encoded(model)):
        mine = trace.prompt == number
        text = trace.token[mine].tolist()
        with torch.inference_mode():
            logits = model.model(input_ids=torch.tensor([[*prompt, *text]]), use_cache=False).logits[0]
        assert trace.target[mine].tolist() == logits.argmax(-1)[len(prompt) - 1 : -1].tolist()
        assert "".join(trace.text[mine]) == model.tokenizer.decode(text)


def test_in_16_bit_some_tokens_may_be_others():
    """The best two tokens have the same logits within rounding, so one pass over all may swap them."""
    tiny = tiny_model("llama", "causal").to(torch.bfloat16)
    with torch.no_grad():
        tiny.lm_head.weight[60:] = tiny.lm_head.weight[4:72] * (1 + 2**-9)
    model = prepare(tiny, tiny_tokenizer(), "causal")
    found = in_two_phases(model, Limits(NEW_TOKENS, 5))
    assert found.in_two_phases
    assert (found.capture.trace.token != found.capture.trace.target).mean() < 0.25
    assert found.capture.batch_size == 5
