"""Texts that a model writes undisturbed: those of `Generate`, token for token, whatever the cache is."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from captures import decode

from benchmark.decoding.buffer import capture
from benchmark.decoding.engine import Limits
from benchmark.decoding.engines import write as module
from benchmark.decoding.engines.generate import Generate
from benchmark.decoding.engines.write import write
from benchmark.decoding.prepare import prepare
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.record import Trace

PROMPTS = ("the cat sat", "a dog barked at the moon", "hello there", "one two three four", "so")
NEW_TOKENS = 12


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return prepare(tiny_model("llama", "causal"), tiny_tokenizer(), "causal")


def encoded(model: LoadedModel) -> list[list[int]]:
    return [model.tokenizer(text).input_ids for text in PROMPTS]


def silent(tokens: int, prompts: int) -> None:
    """Tell nobody."""


def texts_of(trace: Trace) -> list[list[int]]:
    return [trace.target[trace.prompt == number].tolist() for number in range(len(PROMPTS))]


class Spied:
    """What `generate` was called with."""

    def __init__(self, model: LoadedModel, monkeypatch: pytest.MonkeyPatch, fails: bool = False) -> None:
        self.rows: list[int] = []
        self.static: list[bool] = []
        generate = model.model.generate

        def spied(ids: torch.Tensor, **given: Any) -> Any:
            self.rows.append(len(ids))
            self.static.append(given.get("cache_implementation") == "static")
            assert not any(layer.module._forward_hooks for layer in model.anatomy.layers)
            if fails and self.static[-1]:
                raise RuntimeError("no compiler")
            return generate(ids, **given)

        monkeypatch.setattr(model.model, "generate", spied)


def test_no_hook_is_there_and_the_cache_is_static(model: LoadedModel, monkeypatch: pytest.MonkeyPatch):
    expected = texts_of(decode(model, encoded(model), NEW_TOKENS, 2).trace)
    spied = Spied(model, monkeypatch)
    assert write(model, encoded(model), Limits(NEW_TOKENS, 2), silent) == expected
    assert spied.static == [True] * 3 and spied.rows == [1, 2, 2]  # the longest first


def test_an_architecture_that_knows_no_static_cache_has_another(model: LoadedModel, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(model.model, "_can_compile_fullgraph", False)
    spied = Spied(model, monkeypatch)
    write(model, encoded(model), Limits(3, 5), silent)
    assert spied.static == [False]


def test_where_a_static_cache_fails_the_others_are_written_without(model: LoadedModel, monkeypatch: pytest.MonkeyPatch):
    expected = texts_of(decode(model, encoded(model), NEW_TOKENS, 2).trace)
    spied = Spied(model, monkeypatch, fails=True)
    assert write(model, encoded(model), Limits(NEW_TOKENS, 2), silent) == expected
    assert spied.static == [True, False, False, False]


def test_where_steps_are_compiled_batches_are_filled_up(model: LoadedModel, monkeypatch: pytest.MonkeyPatch):
    expected = texts_of(decode(model, encoded(model), NEW_TOKENS, 3).trace)
    monkeypatch.setattr(module, "_compiles", lambda model, static: static)
    spied = Spied(model, monkeypatch)
    assert write(model, encoded(model), Limits(NEW_TOKENS, 3), silent) == expected
    assert spied.rows == [3, 3]


@pytest.mark.parametrize("filled", [True, False])
def test_texts_end_where_they_do_in_decoding(model: LoadedModel, filled: bool, monkeypatch: pytest.MonkeyPatch):
    """At an end of text, and at the token that completes a stop string."""
    monkeypatch.setattr(module, "_compiles", lambda model, static: filled)
    full = texts_of(decode(model, encoded(model), NEW_TOKENS, 2).trace)
    stop = model.tokenizer.decode(full[2][4:6])
    ends = frozenset({full[0][3], full[4][5]})
    ending = replace(model, end_ids=ends)
    monkeypatch.setattr(model.model.generation_config, "eos_token_id", sorted(ends))
    limits = Limits(NEW_TOKENS, 2, ((), (), (stop,), (stop,), ()))
    expected = texts_of(capture(Generate(), ending, encoded(model), limits).trace)
    assert write(ending, encoded(model), limits, silent) == expected
    assert [len(text) for text in expected] != [NEW_TOKENS] * len(PROMPTS) and len(expected[2]) <= 6


def test_the_cache_has_one_length_and_the_model_is_left_as_it_was(model: LoadedModel, monkeypatch: pytest.MonkeyPatch):
    """The steps of another length would be compiled anew."""
    lengths: list[int] = []
    prepare_cache = model.model._prepare_static_cache

    def spied(**asked: Any) -> Any:
        cache = prepare_cache(**asked)
        lengths.append(model.model._previous_max_cache_length)
        return cache

    monkeypatch.setattr(model.model, "_prepare_static_cache", spied)
    before = set(vars(model.model))
    write(model, encoded(model), Limits(NEW_TOKENS, 2), silent)
    assert len(lengths) == 3 and len(set(lengths)) == 1
    assert set(vars(model.model)) == before


def test_every_token_and_every_prompt_is_told(model: LoadedModel):
    told: list[tuple[int, int]] = []
    texts = write(model, encoded(model), Limits(NEW_TOKENS, 2), lambda *step: told.append(step))
    tokens, prompts = map(sum, zip(*told, strict=True))
    assert (tokens, prompts) == (sum(map(len, texts)), len(PROMPTS))
