"""What tokens cost passes as it was read off models, also those that are unlike the others."""

import pytest
import torch
from strategies import row_of

from benchmark.anatomy.layers import find_anatomy
from benchmark.anatomy.token_costs import read_costs
from benchmark.results.audit.costs import impossible_costs
from benchmark.tools.tiny_models import VOCABULARY, tiny_model
from benchmark.trace.costs import Task, architecture, cost_columns

UNLIKE: list[tuple[str, Task, str | None]] = [
    ("gpt2", "causal", None),
    ("gemma3n_text", "causal", None),  # layers that use the cache of others, tables in every layer
    ("bart", "causal", None),  # made to attend to an encoder that is not there
    ("roc_bert", "causal", None),  # several tables
    ("openai-gpt", "causal", "2018-06-11"),  # no cache
    ("deepseek_v3", "causal", None),
    ("mamba", "causal", None),
    ("falcon_h1", "causal", None),
    ("t5", "encoder-decoder", None),
    ("bert", "masked", None),
]


@pytest.mark.parametrize(("model_type", "task", "released"), UNLIKE)
def test_costs_of_a_model_pass(model_type: str, task: Task, released: str | None):
    model = tiny_model(model_type, task)
    costs = read_costs(model, find_anatomy(model, task, torch.arange(3, 10)[None]), task)
    row = row_of(
        architecture=architecture(task, costs),
        released=released,
        dtype="float32",
        device="cpu",
        vocab_size=VOCABULARY,
        num_layers=len(costs.layers),
        parameters=costs.parameters,
        active_parameters=costs.active_parameters,
        peak_memory_bytes=10**9,
        **cost_columns(costs),
    )
    assert list(impossible_costs(row)) == []


def test_a_model_that_shows_nothing_passes():
    assert list(impossible_costs(row_of(dtype="float16"))) == []
