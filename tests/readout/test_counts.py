"""What reading every exit costs, in work that can be counted: it must not grow back."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from captures import decode

from benchmark.decoding.buffer import Capture
from benchmark.decoding.prepare import prepare
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.prompts import read_prompts
from benchmark.models.hub import Hub
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.costs import Task
from benchmark.trace.sample import Sampling

PROMPTS, NEW_TOKENS = 4, 16


@pytest.fixture(scope="module")
def capture(embedded: LoadedModel) -> Capture:
    """A short run of the embedded real model."""
    (humaneval,) = (spec for spec in load_workloads() if spec.name == "humaneval")
    prompts = [embedded.tokenizer(prompt.text).input_ids for prompt in read_prompts(humaneval, PROMPTS, Hub(False))]
    return decode(embedded, prompts, NEW_TOKENS, PROMPTS, sampling=Sampling(tokens=8))


def test_most_exits_are_told_without_a_product_with_the_vocabulary(capture: Capture):
    """Of thirty exits a token; what the sample takes comes on top."""
    trace = capture.trace
    of_the_sample = trace.num_layers * int(trace.sampled.sum())
    assert trace.num_layers == 30
    assert (capture.products - of_the_sample) / trace.num_tokens < 10


def test_the_sample_takes_one_product_for_every_exit(capture: Capture):
    plain = capture.trace.num_layers * capture.trace.num_tokens
    assert capture.products < plain / 2


@pytest.mark.parametrize(("kind", "task"), [("llama", "causal"), ("gemma2", "causal"), ("t5", "encoder-decoder")])
@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_token_takes_one_forward_pass_of_the_model(kind: str, task: Task, batch_size: int):
    """Twice as many tokens take twice as many; reading, in which the layers do nothing, takes a few more in all."""
    model = tiny_model(kind, task)
    model.get_output_embeddings().weight.data[:3] = 0  # so that no text ends early
    loaded = prepare(model, tiny_tokenizer(), task)
    calls: Counter[str] = Counter()
    layer = loaded.anatomy.layers[0].module
    # A readout replaces what layers compute, but not what the model does.
    layer.forward = counted(layer.forward, calls, "decoded")
    model.forward = counted(model.forward, calls, "run")
    readouts = []
    for new_tokens in (10, 20):
        calls.clear()
        decode(loaded, [[5, 6, 7], [8, 9, 10]], new_tokens, batch_size, sampling=Sampling(tokens=3, top_k=5))
        assert calls["decoded"] == new_tokens * 2 // batch_size
        readouts.append(calls["run"] - calls["decoded"])
    assert readouts[0] == readouts[1] <= 3 * loaded.anatomy.num_layers


def counted(function: Callable[..., Any], calls: Counter[str], name: str) -> Callable[..., Any]:
    def counting(*args: Any, **kwargs: Any) -> Any:
        calls[name] += 1
        return function(*args, **kwargs)

    return counting
