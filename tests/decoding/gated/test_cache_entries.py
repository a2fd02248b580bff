"""Entries of single positions are copied from the exit layer upwards, of each text from its own exit."""

import pytest
import torch
from transformers import DynamicCache, EncoderDecoderCache

from benchmark.decoding.gated.cache_entries import copy_entries, entries
from benchmark.errors import MeasurementError

TEXTS, HEADS, POSITIONS, SIZE, LAYERS = 3, 2, 4, 5, 4


def cache_of(sizes=(SIZE,) * LAYERS):
    cache = DynamicCache()
    for layer, size in enumerate(sizes):
        keys, values = torch.randn(2, TEXTS, HEADS, POSITIONS, size)
        cache.update(keys, values, layer)
    return cache


@pytest.mark.parametrize("wrapped", [False, True], ids=["decoder", "behind an encoder"])
def test_deeper_layers_hold_the_exit_layers_entries_of_the_last_position(wrapped):
    cache = cache_of()
    before = [[part.clone() for part in of_layer] for of_layer in entries(cache, LAYERS)]
    copy_entries(EncoderDecoderCache(cache, DynamicCache()) if wrapped else cache, torch.tensor([1, 4, 3]), LAYERS)
    for layer, of_layer in enumerate(entries(cache, LAYERS)):
        for part, now in enumerate(of_layer):
            assert torch.equal(now[:, :, :-1], before[layer][part][:, :, :-1])
            for text, exit_layer in enumerate((1, 4, 3)):
                source = before[min(layer, exit_layer - 1)][part]
                assert torch.equal(now[text, :, -1], source[text, :, -1])


def test_entries_of_different_shapes_are_refused():
    with pytest.raises(MeasurementError, match="have different shapes; choose another policy"):
        copy_entries(cache_of((5, 5, 6, 5)), torch.tensor([1, 1, 1]), LAYERS)


@pytest.mark.parametrize("cache", [None, cache_of((5, 5))], ids=["nothing", "some layers"])
def test_layers_without_entries_are_refused(cache):
    with pytest.raises(MeasurementError, match=r"[02] of 4 layers keep keys and values of their own"):
        entries(cache, LAYERS)
