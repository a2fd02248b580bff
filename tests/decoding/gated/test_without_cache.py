"""Gated decoding without a cache writes what its definition says, also of models whose cache gives other texts."""

import brute_gated as plain
import pytest
from brute_gated import written_by_definition

from benchmark.cases.studies.gated_rule import rule_of
from benchmark.decoding.engine import Limits
from benchmark.decoding.gated.decode import decode
from benchmark.decoding.gated.on_generate import decode_gated
from benchmark.decoding.gated.rule import Given
from benchmark.decoding.gated.without_cache import decode_without_cache
from benchmark.decoding.prepare import prepare
from benchmark.errors import MeasurementError
from benchmark.metrics.gates.gate import MaxProb, Oracle
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer

PROMPTS = [[5, 9, 30, 22, 7], [40, 8, 12]]


def loaded(model_type, task="causal"):
    return prepare(tiny_model(model_type, task), tiny_tokenizer(), task)


@pytest.mark.parametrize("policy", ["recompute", "propagate"])
@pytest.mark.parametrize(
    ("model_type", "task"), [("llama", "causal"), ("xlm-roberta", "causal"), ("t5", "encoder-decoder")]
)
def test_it_writes_what_the_definition_says(model_type, task, policy):
    model = loaded(model_type, task)
    layers = model.anatomy.num_layers
    for gate, threshold, by_definition in (
        (MaxProb(), 0.1, plain.max_prob(0.1)),
        (Oracle(), 1.0, plain.oracle()),
    ):
        rule = rule_of(gate, threshold, range(1, layers), layers, model.readout.vocab_size)
        for prompt, text in zip(PROMPTS, decode_without_cache(model, PROMPTS, Limits(5, 1), rule, policy), strict=True):
            truth = written_by_definition(model, prompt, 5, lambda _, gate=by_definition: gate, rule.looks, policy)
            assert (list(text.tokens), list(text.exits)) == truth


def test_it_tells_the_logits_of_every_token():
    model, said = loaded("llama"), []
    texts = decode_without_cache(
        model, PROMPTS, Limits(4, 1), Given([[4, 1, 3, 2]] * 2), "propagate", said=lambda row: said.append(row)
    )
    assert [int(row.argmax()) for row in said] == [token for text in texts for token in text.tokens]


def test_it_has_nothing_to_copy():
    with pytest.raises(MeasurementError, match="policy copy: the model is decoded without a cache"):
        decode(loaded("xlm-roberta"), PROMPTS, Limits(3, 1), Given([[4, 1, 2]] * 2), "copy")


def test_the_engine_is_chosen_by_the_model():
    exits = Given([[4, 1, 3, 2, 1]] * 2)
    for model_type, engine in (("llama", decode_gated), ("xlm-roberta", decode_without_cache)):
        model = loaded(model_type)
        assert model.with_cache == (engine is decode_gated)
        found = decode(model, PROMPTS, Limits(5, 2), exits, "propagate")
        assert found == engine(model, PROMPTS, Limits(5, 2), exits, "propagate")
