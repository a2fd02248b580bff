"""How likely texts are by every layer, held against a pass for each text alone."""

import numpy as np
import pytest
import torch

from benchmark.cases.lm_eval.likelihoods import Continuation, likelihoods
from benchmark.decoding.prepare import prepare
from benchmark.errors import MeasurementError
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer

TEXTS = [Continuation([5, 9, 30], [22, 7]), Continuation([40], [8, 12, 3, 9]), Continuation([7, 7, 8], [1])]


def loaded(model_type: str, **fields: int) -> LoadedModel:
    return prepare(tiny_model(model_type, "causal", **fields), tiny_tokenizer(), "causal")


def alone(model: LoadedModel, one: Continuation) -> tuple[np.ndarray, np.ndarray]:
    """Of each layer, the sum of log-probabilities, and whether every token is the likeliest."""
    states: list[torch.Tensor] = []
    hooks = [
        layer.module.register_forward_hook(lambda _, __, output, layer=layer: states.append(layer.state_out(output)))
        for layer in model.anatomy.layers
    ]
    targets = torch.tensor([*one.text])
    with torch.inference_mode():
        model.model(torch.tensor([[*one.context, *one.text]]))
        for hook in hooks:
            hook.remove()
        behind = slice(len(one.context) - 1, -1)
        said = [model.readout.logits(state)[0, behind].float() for state in states]
    sums = [logits.log_softmax(-1).gather(1, targets[:, None]).sum().item() for logits in said]
    return np.array(sums), np.array([bool((logits.argmax(-1) == targets).all()) for logits in said])


@pytest.mark.parametrize("model_type", ["llama", "gemma2", "mixtral", "mamba"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_they_are_those_of_each_text_alone(model_type, batch_size):
    model = loaded(model_type)
    found = likelihoods(model, TEXTS, batch_size, every_layer=True)
    (last,) = {len(one.log_probs) for one in found}
    assert last == model.anatomy.num_layers
    for one, text in zip(found, TEXTS, strict=True):
        sums, greedy = alone(model, text)
        assert one.log_probs == pytest.approx(sums, rel=1e-5)
        assert one.greedy.tolist() == greedy.tolist()
    assert len({round(float(layer), 3) for layer in found[0].log_probs}) > 1  # layers differ
    own = likelihoods(model, TEXTS, batch_size)
    assert [one.log_probs[-1] for one in own] == pytest.approx([one.log_probs[-1] for one in found], rel=1e-6)
    assert {len(one.log_probs) for one in own} == {1}


def test_a_context_that_is_too_long_is_cut_in_front():
    model = loaded("gpt2", max_position_embeddings=256)
    assert model.context is not None
    long = [(7 * place) % 50 + 4 for place in range(model.context + 20)]
    (cut,) = likelihoods(model, [Continuation(long, [9, 8])], 1)
    (short,) = likelihoods(model, [Continuation(long[-model.context + 1 :], [9, 8])], 1)
    assert cut.log_probs == pytest.approx(short.log_probs)


def test_a_text_that_does_not_fit_is_refused():
    model = loaded("gpt2", max_position_embeddings=256)
    with pytest.raises(MeasurementError, match="tokens is to be compared, and the context has"):
        likelihoods(model, [Continuation([5], [9] * (model.context + 1))], 1)
