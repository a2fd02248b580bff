"""Some texts with early exits are written again, and what does not come out the same is not believed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.cases.studies.gated_rule import rule_of
from benchmark.decoding.engine import Limits
from benchmark.decoding.gated.again import BEGINNING, decode_proven
from benchmark.decoding.gated.decode import decode
from benchmark.decoding.gated.rule import NEVER, Given, Rule
from benchmark.decoding.gated.without_cache import decode_without_cache
from benchmark.decoding.prepare import prepare
from benchmark.errors import MeasurementError
from benchmark.inputs.settings import POLICIES
from benchmark.metrics.gates.gate import MaxProb
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer

LONG_ROPE = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0] * 4,
    "long_factor": [1.5, 2.0, 4.0, 8.0],
    "original_max_position_embeddings": 40,
    "factor": 4.0,
}
LENGTHS, NEW_TOKENS = (12, 25, 44, 60), 6


def loaded(model_type: str, task: str = "causal", **fields: Any) -> LoadedModel:
    return prepare(tiny_model(model_type, task, **fields), tiny_tokenizer(), task)


def prompts(lengths: tuple[int, ...] = LENGTHS) -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(4, 60, length).tolist() for length in lengths]


def rule_for(model: LoadedModel) -> Rule:
    layers = model.anatomy.num_layers
    return rule_of(MaxProb(), 0.03, range(1, layers), layers, model.readout.vocab_size)


@pytest.mark.parametrize("policy", POLICIES)
def test_what_holds_is_left_as_it_is(policy):
    model = loaded("llama")
    written = decode_proven(model, prompts(), Limits(NEW_TOKENS, 4), rule_for(model), policy)
    assert written.model is model
    assert written.texts == decode(model, prompts(), Limits(NEW_TOKENS, 4), rule_for(model), policy)
    assert (written.again_tokens, written.again_differing) == (2 * BEGINNING, 0)
    assert written.seconds > 0


def test_given_exits_go_with_their_texts():
    model, exits = loaded("llama"), Given([[4, 1, 2, 3, 4, 1], [4, 2], [4, 3, 1], [4, 4, 1]])
    written = decode_proven(model, prompts(), Limits(NEW_TOKENS, 4), exits, "propagate")
    assert (written.again_tokens, written.again_differing) == (2 * BEGINNING, 0)


def test_a_text_that_was_alone_has_nothing_to_be_held_against_but_passes_without_a_cache():
    model = loaded("llama")
    one = decode_proven(model, prompts((20,)), Limits(NEW_TOKENS, 4), rule_for(model), "propagate")
    assert (one.again_tokens, one.again_differing) == (BEGINNING, 0)
    copied = decode_proven(model, prompts((20,)), Limits(NEW_TOKENS, 4), rule_for(model), "copy")
    assert (copied.again_tokens, copied.again_differing) == (0, 0)


def test_of_a_model_without_a_cache_the_shortest_text_is_written_again():
    model = loaded("xlm-roberta")
    written = decode_proven(model, prompts(), Limits(NEW_TOKENS, 4), rule_for(model), "propagate")
    assert (written.model, written.again_tokens, written.again_differing) == (model, BEGINNING, 0)


def test_where_batches_give_others_texts_are_written_alone():
    """The model works in another way beyond 40 tokens, and was told not to keep both sides apart."""
    fields = {"rope_parameters": LONG_ROPE, "original_max_position_embeddings": 40}
    model, limits = replace(loaded("phi3", **fields), thresholds=()), Limits(NEW_TOKENS, 4)
    exits = Given([[4, 4, 2, 4, 3, 1]] * 2)
    apart = prompts((20, 60))
    written = decode_proven(model, apart, limits, exits, "propagate")
    truth = decode_without_cache(model, apart, limits, exits, "propagate")
    assert decode(model, apart, limits, exits, "propagate") != truth
    assert written.texts == truth
    assert (written.model.batchable, written.model.with_cache) == (False, True)


def test_a_model_that_writes_others_each_time_is_refused():
    model = loaded("llama", attention_dropout=0.9)
    model.model.train()
    torch.manual_seed(0)
    with pytest.raises(MeasurementError, match="policy recompute: a text is another when it is written again"):
        decode_proven(replace(model, batchable=False), prompts((60,)), Limits(NEW_TOKENS, 1), NEVER, "recompute")
