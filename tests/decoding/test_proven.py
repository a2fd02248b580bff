"""What a case gives is held against some of its texts, read again alone and without a cache."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.decoding.buffer import capture
from benchmark.decoding.engine import Limits
from benchmark.decoding.engines.generate import Generate, Greedy
from benchmark.decoding.engines.given_text import GivenText
from benchmark.decoding.prepare import prepare
from benchmark.decoding.proven import capture_proven, read_again
from benchmark.errors import MeasurementError
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.costs import Task

LENGTHS, NEW_TOKENS = (3, 20, 35, 60, 90), 10


def loaded(model_type: str, task: Task = "causal") -> LoadedModel:
    return prepare(tiny_model(model_type, task), tiny_tokenizer(), task)


def prompts(lengths: tuple[int, ...] = LENGTHS) -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(4, 60, length).tolist() for length in lengths]


class TestReadAgain:
    @pytest.mark.parametrize(
        ("model_type", "task"), [("llama", "causal"), ("mamba", "causal"), ("t5", "encoder-decoder")]
    )
    def test_what_holds_is_the_same_model(self, model_type: str, task: Task):
        model = loaded(model_type, task)
        trace = capture(Generate(), model, prompts(), Limits(NEW_TOKENS, 2)).trace
        again = read_again(model, prompts(), trace, Limits(NEW_TOKENS, 2))
        assert again.same_model and again.differing == 0
        read = {4, 0, 2} if not model.recurrent else {4}  # the longest, and the shorter of each pair
        assert again.tokens == np.isin(trace.prompt, list(read)).sum()

    def test_another_text_is_not(self):
        model = loaded("llama")
        trace = capture(Generate(), model, prompts(), Limits(NEW_TOKENS, 2)).trace
        other = [[5, *ids[1:]] for ids in prompts()]
        assert not read_again(model, other, trace, Limits(NEW_TOKENS, 2)).same_model

    def test_given_texts_are_read_as_they_were_written(self):
        model = loaded("llama")
        written = capture(Generate(), model, prompts(), Limits(NEW_TOKENS, 16)).trace
        texts = [written.target[written.prompt == number].tolist() for number in range(len(LENGTHS))]
        read = capture(GivenText(texts), model, prompts(), Limits(NEW_TOKENS, 16)).trace
        for name in ("prompt", "position", "target", "matches", "word_position"):
            assert getattr(read, name).tolist() == getattr(written, name).tolist(), name

    def test_greedy_decoding_ends_at_the_end_of_text(self):
        model = loaded("llama")
        full = capture(Greedy(), model, prompts((7,)), Limits(NEW_TOKENS, 1)).trace.target.tolist()
        ending = replace(model, end_ids=frozenset({full[3]}))
        short = capture(Greedy(), ending, prompts((7,)), Limits(NEW_TOKENS, 1)).trace.target.tolist()
        assert short == full[: full.index(full[3]) + 1]

    def test_a_model_that_is_not_the_same_twice_is_refused(self, monkeypatch: pytest.MonkeyPatch):
        """Not even without a cache, where every token is by definition the model's own."""
        model = loaded("llama")
        layer = model.anatomy.layers[2].module.mlp
        forward = layer.forward
        monkeypatch.setattr(layer, "forward", lambda state: forward(state) + 0.1 * torch.randn_like(state))
        with pytest.raises(MeasurementError, match="has other exits when it is run again, so none is certain"):
            capture_proven(model, prompts(), Limits(NEW_TOKENS, 16))
