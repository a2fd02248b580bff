"""Exits of encoder models at masked positions, against one text at a time."""

import pytest
import torch

from benchmark.errors import MeasurementError
from benchmark.loading import prepare
from benchmark.masking import fill_masks
from benchmark.tiny_models import tiny_model, tiny_tokenizer

TEXTS = ("the cat sat on the mat and looked at the moon", "a dog barked", "x")


@pytest.fixture(scope="module", params=["bert", "modernbert", "distilbert"])
def loaded(request):
    return prepare(tiny_model(request.param, "masked"), tiny_tokenizer(), "masked")


def test_targets_are_what_the_model_fills_in(loaded):
    texts = [loaded.tokenizer(text).input_ids for text in TEXTS]
    trace = fill_masks(loaded, texts, most_masks=4, batch_size=2, seed=0).trace
    for number, text in enumerate(texts):
        positions = trace.position[trace.prompt == number].tolist()
        ids = torch.tensor([text])
        ids[0, positions] = loaded.tokenizer.mask_token_id
        with torch.inference_mode():
            expected = loaded.model(input_ids=ids).logits[0, positions].argmax(-1)
        assert trace.targets[trace.prompt == number].tolist() == expected.tolist()


def test_fifteen_percent_are_masked_at_least_one_and_at_most_the_limit(loaded):
    texts = [loaded.tokenizer(text).input_ids for text in TEXTS]
    trace = fill_masks(loaded, texts, most_masks=4, batch_size=3, seed=0).trace
    assert [(trace.prompt == number).sum() for number in range(3)] == [4, 2, 1]  # of 45, 12 and 1 letters


def test_the_seed_decides_which(loaded):
    texts = [loaded.tokenizer(TEXTS[0]).input_ids]
    first, again, other = (fill_masks(loaded, texts, 4, 1, seed).trace.position.tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_a_tokenizer_without_a_mask_is_refused():
    tokenizer = tiny_tokenizer()
    tokenizer.mask_token = None
    loaded = prepare(tiny_model("bert", "masked"), tokenizer, "masked")
    with pytest.raises(MeasurementError, match="no mask token"):
        fill_masks(loaded, [[5, 6]], 4, 1, 0)


def test_a_single_masked_token_alone(loaded):
    trace = fill_masks(loaded, [loaded.tokenizer("x").input_ids], most_masks=1, batch_size=1, seed=0).trace
    assert trace.num_tokens == 1


def test_an_encoder_whose_texts_change_one_another_reads_them_one_at_a_time():
    mixing = prepare(tiny_model("fnet", "masked"), tiny_tokenizer(), "masked")  # its Fourier transform sees padding
    assert not mixing.batchable
    texts = [mixing.tokenizer(text).input_ids for text in TEXTS]
    assert fill_masks(mixing, texts, most_masks=4, batch_size=3, seed=0).batch_size == 1
