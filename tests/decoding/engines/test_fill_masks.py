"""Exits of encoder models at masked positions, against one text at a time."""

import numpy as np
import pytest
import torch
from captures import fill_masks

from benchmark.decoding.prepare import prepare
from benchmark.errors import MeasurementError
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.sample import Sampling

TEXTS = ("the cat sat on the mat and looked at the moon", "a dog barked", "x")


@pytest.fixture(scope="module", params=["bert", "modernbert", "distilbert"])
def loaded(request):
    return prepare(tiny_model(request.param, "masked"), tiny_tokenizer(), "masked")


def test_targets_are_what_the_model_fills_in(loaded):
    texts = [loaded.tokenizer(text).input_ids for text in TEXTS]
    trace = fill_masks(loaded, texts, most_masks=4, batch_size=2).trace
    for number, text in enumerate(texts):
        positions = trace.position[trace.prompt == number].tolist()
        ids = torch.tensor([text])
        ids[0, positions] = loaded.tokenizer.mask_token_id
        with torch.inference_mode():
            expected = loaded.model(input_ids=ids).logits[0, positions].argmax(-1)
        assert trace.target[trace.prompt == number].tolist() == expected.tolist()


def test_fifteen_percent_are_masked_at_least_one_and_at_most_the_limit(loaded):
    texts = [loaded.tokenizer(text).input_ids for text in TEXTS]
    trace = fill_masks(loaded, texts, most_masks=4, batch_size=3).trace
    assert [(trace.prompt == number).sum() for number in range(3)] == [4, 2, 1]  # of 45, 12 and 1 letters


def test_the_seed_decides_which(loaded):
    texts = [loaded.tokenizer(TEXTS[0]).input_ids]
    first, again, other = (
        fill_masks(loaded, texts, 4, 1, sampling=Sampling(seed=seed)).trace.position.tolist() for seed in (0, 0, 1)
    )
    assert first == again != other


def test_a_tokenizer_without_a_mask_is_refused():
    tokenizer = tiny_tokenizer()
    tokenizer.mask_token = None
    loaded = prepare(tiny_model("bert", "masked"), tokenizer, "masked")
    with pytest.raises(MeasurementError, match="no mask token"):
        fill_masks(loaded, [[5, 6]], 4, 1)


def test_special_tokens_are_never_masked(loaded):
    letters = loaded.tokenizer(TEXTS[0]).input_ids
    text = [loaded.tokenizer.eos_token_id, *letters, loaded.tokenizer.eos_token_id]
    for seed in range(20):
        trace = fill_masks(loaded, [text], len(text), 1, sampling=Sampling(seed=seed)).trace
        assert set(trace.position) <= set(range(1, len(letters) + 1))


def test_texts_together_are_read_as_each_alone(loaded):
    texts, sampling = [loaded.tokenizer(text).input_ids for text in TEXTS], Sampling(tokens=5, top_k=5)
    alone = fill_masks(loaded, texts, 4, 1, sampling=sampling).trace
    together = fill_masks(loaded, texts, 4, 3, sampling=sampling).trace
    assert 0 < alone.sampled.sum() < alone.num_tokens
    for name, array in vars(alone).items():
        if np.issubdtype(array.dtype, np.floating):
            np.testing.assert_allclose(getattr(together, name), array, atol=1e-5, err_msg=name)
        else:
            assert getattr(together, name).tolist() == array.tolist(), name


def test_words_are_those_of_the_text_before_it_was_masked(loaded):
    text = loaded.tokenizer(TEXTS[0]).input_ids
    trace = fill_masks(loaded, [text], most_masks=4, batch_size=1).trace
    assert trace.text.tolist() == [TEXTS[0][position] for position in trace.position]


def test_a_text_without_ordinary_tokens_has_no_masks(loaded):
    ordinary, special = loaded.tokenizer("the cat").input_ids, [loaded.tokenizer.eos_token_id] * 3
    trace = fill_masks(loaded, [special, ordinary], most_masks=4, batch_size=2).trace
    assert set(trace.prompt) == {1}
    with pytest.raises(MeasurementError, match="no text is long enough to be masked"):
        fill_masks(loaded, [special], most_masks=4, batch_size=2)


def test_a_single_masked_token_alone(loaded):
    trace = fill_masks(loaded, [loaded.tokenizer("x").input_ids], most_masks=1, batch_size=1).trace
    assert trace.num_tokens == 1


def test_an_encoder_whose_texts_change_one_another_reads_them_one_at_a_time():
    mixing = prepare(tiny_model("fnet", "masked"), tiny_tokenizer(), "masked")  # its Fourier transform sees padding
    assert not mixing.batchable
    texts = [mixing.tokenizer(text).input_ids for text in TEXTS]
    assert fill_masks(mixing, texts, most_masks=4, batch_size=3).batch_size == 1
