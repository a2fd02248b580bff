"""From prompts to a capture, and what is told of how it was made."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.cases.identity import Asked
from benchmark.cases.studies import feeding
from benchmark.cases.studies import oracle as measuring
from benchmark.cases.studies.oracle import Measurement, measure
from benchmark.decoding.buffer import Progress
from benchmark.decoding.prepare import prepare
from benchmark.errors import MeasurementError
from benchmark.inputs.prompt import Prompt
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.costs import Task
from benchmark.trace.sample import Sampling

PROMPTS = ("one two three", "x", "four five")  # 13, 1 and 9 letters
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}:"


def loaded(kind: str = "llama", task: Task = "causal") -> LoadedModel:
    return prepare(tiny_model(kind, task), tiny_tokenizer(), task)


@pytest.fixture(scope="module")
def llama() -> LoadedModel:
    return loaded()


def run(
    model: LoadedModel,
    prompts: tuple[str, ...] = PROMPTS,
    chat: bool = False,
    max_new_tokens: int = 4,
    batch_size: int = 2,
    progress: Progress = lambda tokens, prompts: None,
) -> Measurement:
    given = tuple(Prompt(id=str(number), messages=text) for number, text in enumerate(prompts))
    return measure(model, Asked(given, chat, max_new_tokens, batch_size, Sampling(top_k=5)), progress)


def ids_of(model: LoadedModel, *prompts: str) -> list[list[int]]:
    return [model.tokenizer(prompt).input_ids for prompt in prompts]


def test_every_prompt_is_measured(llama):
    measurement = run(llama)
    assert (len(measurement.fed.ids), measurement.fed.left_out) == (3, 0)
    assert set(measurement.capture.trace.prompt) == {0, 1, 2}
    assert measurement.capture.trace.position.max() <= 3
    assert measurement.peak_memory_bytes > 0


def test_the_hash_is_of_what_the_model_was_fed(llama):
    expected = hashlib.sha256(json.dumps(ids_of(llama, *PROMPTS)).encode()).hexdigest()
    assert run(llama).fed.columns["prompt_ids_sha256"] == expected
    assert run(llama, PROMPTS[:2]).fed.columns["prompt_ids_sha256"] != expected


class TestChatTemplates:
    """A chat goes through the model's template, if it has one."""

    def test_without_a_template_it_is_fed_as_it_is(self, llama):
        measurement = run(llama, chat=True)
        assert not measurement.fed.chat_template
        assert measurement.fed.columns["prompt_ids_sha256"] == run(llama).fed.columns["prompt_ids_sha256"]

    def test_with_a_template(self):
        model = loaded()
        model.tokenizer.chat_template = TEMPLATE
        measurement = run(model, chat=True)
        assert measurement.fed.chat_template
        fed = ids_of(model, *(f"{prompt}:" for prompt in PROMPTS))
        assert measurement.fed.columns["prompt_ids_sha256"] == hashlib.sha256(json.dumps(fed).encode()).hexdigest()

    def test_a_completion_is_never_a_chat(self):
        model = loaded()
        model.tokenizer.chat_template = TEMPLATE
        assert not run(model, chat=False).fed.chat_template


class TestContext:
    """Prompts that do not fit are left out and counted, never cut."""

    # The last of four new tokens is never fed back, so a prompt takes three positions more than it has letters.
    @pytest.mark.parametrize(("context", "fitting"), [(16, {0, 1, 2}), (15, {1, 2}), (12, {1, 2}), (11, {1}), (4, {1})])
    def test_tokens_keep_the_number_of_their_prompt(self, llama, context, fitting):
        measurement = run(replace(llama, context=context))
        assert set(measurement.capture.trace.prompt) == fitting
        assert (len(measurement.fed.ids), measurement.fed.left_out) == (len(fitting), 3 - len(fitting))

    def test_a_text_fits_to_the_last_position_of_the_model(self):
        """GPT-2 has an embedding for each position, and none beyond the last."""
        model = prepare(tiny_model("gpt2", "causal", n_positions=32), tiny_tokenizer(), "causal")
        measurement = run(model, ("x" * 29, "x" * 30))
        assert set(measurement.capture.trace.prompt) == {0}

    def test_the_progress_counts_what_is_left_out(self, llama):
        seen: list[tuple[int, int]] = []
        run(replace(llama, context=12), progress=lambda tokens, prompts: seen.append((tokens, prompts)))
        assert seen[0] == (0, 1)
        assert sum(prompts for _, prompts in seen) == 3

    def test_a_prompt_without_tokens_is_left_out(self, llama, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(feeding, "encode", lambda tokenizer, *_: [[], tokenizer("x").input_ids])
        measurement = run(llama, ("nothing", "x"))
        assert (len(measurement.fed.ids), measurement.fed.left_out) == (1, 1)
        assert set(measurement.capture.trace.prompt) == {1}

    def test_no_prompt_that_fits_is_refused_with_a_remedy(self, llama):
        with pytest.raises(
            MeasurementError, match=r"none of the 3 prompts, with 4 new tokens, .* of 3 tokens; use fewer"
        ):
            run(replace(llama, context=3))

    def test_what_an_encoder_reads_and_a_decoder_writes_share_no_context(self):
        model = replace(loaded("t5", "encoder-decoder"), context=13)
        assert run(model, max_new_tokens=13).fed.left_out == 0
        with pytest.raises(MeasurementError, match="the decoder has 13 positions, fewer than the 14 new tokens"):
            run(model, max_new_tokens=14)

    def test_an_encoder_writes_nothing(self):
        model = replace(loaded("bert", "masked"), context=13)
        assert run(model, max_new_tokens=50).fed.left_out == 0


def test_an_encoder_fills_in_masks():
    measurement = run(loaded("bert", "masked"), max_new_tokens=2)
    trace = measurement.capture.trace
    assert np.bincount(trace.prompt).tolist() == [2, 1, 1]  # 15 % of the letters, at least one
    assert measurement.capture.batch_size == 2


def test_memory_that_runs_out_is_one_line_with_a_remedy(llama, monkeypatch: pytest.MonkeyPatch):
    def exhausted(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has …")

    monkeypatch.setattr(measuring, "capture_proven", exhausted)
    with pytest.raises(MeasurementError, match="memory ran out at batch size 2; use a smaller one"):
        run(llama)
