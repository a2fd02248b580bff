"""Stop strings end a text as an end of text does, in every engine, whatever their tokens are."""

from dataclasses import replace

import pytest

from benchmark.decoding.buffer import capture
from benchmark.decoding.engine import Engine, Limits
from benchmark.decoding.engines.generate import Generate, Greedy
from benchmark.decoding.prepare import prepare
from benchmark.decoding.proven import capture_proven
from benchmark.decoding.text.stops import Stops, answer_text
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.record import Trace
from benchmark.trace.sample import Sampling

TEXTS = ("the cat sat", "a dog barked at the moon", "hello there")
NEW_TOKENS = 10
FEW = Sampling(tokens=1, top_k=1)


@pytest.fixture(scope="module")
def llama() -> LoadedModel:
    return prepare(tiny_model("llama", "causal"), tiny_tokenizer(), "causal")


def encoded(model: LoadedModel) -> list[list[int]]:
    return [model.tokenizer(text).input_ids for text in TEXTS]


def decode(engine: Engine, model: LoadedModel, stops: tuple[tuple[str, ...], ...] = (), batch_size: int = 3) -> Trace:
    return capture(engine, model, encoded(model), Limits(NEW_TOKENS, batch_size, stops), FEW).trace


def texts(trace: Trace) -> list[list[int]]:
    return [trace.target[trace.prompt == number].tolist() for number in range(len(TEXTS))]


def stops_within(model: LoadedModel, trace: Trace) -> tuple[tuple[str, ...], ...]:
    """Of the first two texts two letters somewhere inside, of the third one nothing."""
    first, second = ("".join(trace.text[trace.prompt == number].tolist()) for number in (0, 1))
    return (first[3:5], "no such string"), (second[5:7],), ()


def cut(model: LoadedModel, text: list[int], stops: tuple[str, ...]) -> list[int]:
    """The definition: the shortest beginning of a text that has one of the strings in it, or all of it."""
    beginnings = (text[:length] for length in range(1, len(text) + 1))
    return next((ids for ids in beginnings if any(stop in model.tokenizer.decode(ids) for stop in stops)), text)


@pytest.mark.parametrize("engine", [Generate(), Greedy()], ids=["generate", "greedy"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_token_that_completes_a_stop_string_is_the_last(llama: LoadedModel, engine: Engine, batch_size: int):
    whole = decode(engine, llama)
    stops = stops_within(llama, whole)
    stopped = texts(decode(engine, llama, stops, batch_size))
    assert stopped == [cut(llama, text, some) for text, some in zip(texts(whole), stops, strict=True)]
    assert [len(text) < len(other) for text, other in zip(stopped, texts(whole), strict=True)] == [True, True, False]


@pytest.mark.parametrize(("kind", "task"), [("mamba", "causal"), ("bart", "encoder-decoder")])
def test_also_of_a_model_with_a_state_and_of_a_decoder_behind_an_encoder(kind: str, task):
    model = prepare(tiny_model(kind, task), tiny_tokenizer(), task)
    whole = decode(Generate(), model)
    stops = stops_within(model, whole)
    for engine in (Generate(), Greedy()):
        assert texts(decode(engine, model, stops)) == [
            cut(model, text, some) for text, some in zip(texts(whole), stops, strict=True)
        ]


@pytest.mark.parametrize("with_cache", [True, False])
def test_texts_that_were_stopped_are_proven_as_they_stand(llama: LoadedModel, with_cache: bool):
    model = replace(llama, with_cache=with_cache)
    stops = stops_within(llama, decode(Generate(), llama))
    proven = capture_proven(model, encoded(model), Limits(NEW_TOKENS, 3, stops), FEW)
    assert proven.again.same_model and proven.again.differing == 0
    assert texts(proven.capture.trace) == texts(decode(Generate(), llama, stops))


def test_a_batch_ends_when_all_of_its_texts_have(llama: LoadedModel):
    stops = tuple((text[1:3],) for text in ("".join(text) for text in _pieces(decode(Generate(), llama))))
    forwards = []
    handle = llama.model.register_forward_hook(lambda *_: forwards.append(1))
    decode(Generate(), llama, stops)
    handle.remove()
    with_reading = len(forwards)
    forwards.clear()
    handle = llama.model.register_forward_hook(lambda *_: forwards.append(1))
    decode(Generate(), llama)
    handle.remove()
    assert with_reading < len(forwards)


def _pieces(trace: Trace) -> list[list[str]]:
    return [trace.text[trace.prompt == number].tolist() for number in range(len(TEXTS))]


def test_progress_counts_stopped_texts_once(llama: LoadedModel):
    seen: list[tuple[int, int]] = []
    stops = stops_within(llama, decode(Generate(), llama))
    limits = Limits(NEW_TOKENS, 2, stops)
    trace = capture(
        Generate(), llama, encoded(llama), limits, FEW, lambda tokens, prompts: seen.append((tokens, prompts))
    ).trace
    assert [sum(column) for column in zip(*seen, strict=True)] == [trace.num_tokens, len(TEXTS)]


class TestAnswers:
    """The text that is scored."""

    def ids(self, model: LoadedModel, text: str) -> list[int]:
        return model.tokenizer(text, add_special_tokens=False).input_ids

    def test_is_cut_before_the_first_stop_string(self, llama: LoadedModel):
        written = self.ids(llama, " 18 eggs. Question: why")
        assert answer_text(llama, [5, 6], written, ("Question:", ".")) == " 18 eggs"
        assert answer_text(llama, [5, 6], written, ("nothing",)) == " 18 eggs. Question: why"

    def test_has_no_special_tokens(self, llama: LoadedModel):
        written = [*self.ids(llama, "18"), *llama.end_ids]
        assert answer_text(llama, [], written) == "18"

    def test_of_no_token_is_empty(self, llama: LoadedModel):
        assert answer_text(llama, [5], []) == ""

    def test_an_id_that_stands_for_nothing_is_no_text(self, llama: LoadedModel):
        assert answer_text(llama, [], [*self.ids(llama, "ab"), 10**6]) == "ab"

    def test_the_embedded_model_keeps_the_space_that_code_begins_with(self, embedded: LoadedModel):
        before = embedded.tokenizer("def f():\n").input_ids
        written = embedded.tokenizer("    return 'ä 早'\ndef").input_ids
        assert answer_text(embedded, before, written, ("\ndef",)) == "    return 'ä 早'"


def test_lists_for_other_prompts_are_refused(llama: LoadedModel):
    with pytest.raises(ValueError, match="1 lists of stop strings for 2 prompts"):
        Stops(llama, [[1], [2]], [("a",)])


def test_a_stop_string_may_begin_in_one_token_and_end_in_another(llama: LoadedModel):
    stops, ids = Stops(llama, [[1]], [("Question:",)]), llama.tokenizer("no Question:").input_ids
    assert len(ids) > 3
    assert [stops.ended(0, ids[:length]) for length in range(len(ids) + 1)] == [False] * len(ids) + [True]
