"""Decoded tokens wait in a fixed amount of memory, and when they are read changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from captures import decode

from benchmark.decoding import buffer as module
from benchmark.decoding.buffer import ReadingBuffer
from benchmark.decoding.engine import Step
from benchmark.decoding.prepare import prepare
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.portions import portions_of
from benchmark.readout.reader import Reader
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.record import Trace
from benchmark.trace.sample import Sampling

TEXTS = ("the cat sat", "hello there", "one two three four", "a dog barked at the moon")
NEW_TOKENS = 9
KINDS = {"llama": "causal", "gemma2": "causal", "mamba": "causal", "rwkv": "causal", "t5": "encoder-decoder"}


@pytest.fixture(scope="module", params=KINDS)
def loaded(request: pytest.FixtureRequest) -> LoadedModel:
    return prepare(tiny_model(request.param, KINDS[request.param]), tiny_tokenizer(), KINDS[request.param])


@pytest.fixture(scope="module")
def llama() -> LoadedModel:
    model = tiny_model("llama", "causal")
    with torch.no_grad():
        model.lm_head.weight[:3] = 0  # so that no text ends early
    return prepare(model, tiny_tokenizer(), "causal")


def hold(monkeypatch: pytest.MonkeyPatch, **sizes: int) -> None:
    """Let so many tokens, or so many bytes of states, wait to be read out."""
    portions = replace(portions_of(torch.device("cpu")), **sizes)
    monkeypatch.setattr(module, "portions_of", lambda device: portions)


def run(model: LoadedModel, new_tokens: int = NEW_TOKENS, batch_size: int = 3) -> Trace:
    prompts = [model.tokenizer(text).input_ids for text in TEXTS]
    return decode(model, prompts, new_tokens, batch_size, sampling=Sampling(tokens=11, top_k=5)).trace


@pytest.mark.parametrize("capacity", [1, 4, 7])
def test_how_many_are_read_at_once_changes_nothing(loaded, capacity, monkeypatch: pytest.MonkeyPatch):
    """Also of models that keep a state of the text on themselves: reading happens while they decode."""
    at_the_end = run(loaded)
    hold(monkeypatch, waiting_tokens=capacity)
    often = run(loaded)
    for name, array in vars(at_the_end).items():
        if np.issubdtype(array.dtype, np.floating):
            np.testing.assert_allclose(getattr(often, name), array, atol=1e-5, err_msg=name)
        else:
            assert getattr(often, name).tolist() == array.tolist(), name


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Tokens that wait, and bytes of their states, after every step of decoding."""
    seen: list[tuple[int, int]] = []
    take = ReadingBuffer.take

    def watched(self: ReadingBuffer, step: Step) -> None:
        take(self, step)
        tensors = [tensor for kept in self._steps for tensor in (*kept.states, *kept.midlayer) if tensor is not None]
        storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
        seen.append((sum(len(kept.sampled) for kept in self._steps), sum(storages.values())))

    monkeypatch.setattr(ReadingBuffer, "take", watched)
    return seen


def test_a_waiting_token_takes_the_states_of_its_layers_and_no_more(llama, kept):
    """Not, for one, what all positions of its prompt have; of the sample also the middle states."""
    state_bytes = 4 * 32 * 4  # layers, width, bytes of float32
    run(llama)
    assert max(waiting for waiting, _ in kept) == 3 * NEW_TOKENS + NEW_TOKENS
    for waiting, size in kept:
        assert waiting * state_bytes <= size <= waiting * state_bytes + 11 * state_bytes


@pytest.mark.parametrize("new_tokens", [20, 40])
def test_longer_texts_keep_no_more(llama, kept, monkeypatch: pytest.MonkeyPatch, new_tokens: int):
    hold(monkeypatch, waiting_tokens=16)
    trace = run(llama, new_tokens)
    assert trace.num_tokens == 4 * new_tokens
    assert max(waiting for waiting, _ in kept) == 15  # the next step of three would be one too many
    assert max(size for _, size in kept) <= (15 + 11) * 4 * 32 * 4


def test_large_states_wait_in_small_numbers(llama, kept, monkeypatch: pytest.MonkeyPatch):
    hold(monkeypatch, waiting_bytes=5 * 4 * 32 * 4)  # five tokens
    run(llama)
    assert max(waiting for waiting, _ in kept) < 5


def test_a_state_larger_than_the_room_is_read_at_once(llama, kept, monkeypatch: pytest.MonkeyPatch):
    hold(monkeypatch, waiting_bytes=1)
    run(llama)
    assert max(waiting for waiting, _ in kept) == 0


def test_all_that_was_decoded_is_read_out_once(llama, monkeypatch: pytest.MonkeyPatch):
    read, counts = Reader.read, []

    def watched(self, states, chosen, sampled, halves):
        counts.append(len(sampled))
        return read(self, states, chosen, sampled, halves)

    monkeypatch.setattr(Reader, "read", watched)
    hold(monkeypatch, waiting_tokens=10)
    trace = run(llama)
    assert sum(counts) == trace.num_tokens
    assert len(counts) > 1


def test_reading_is_timed_apart_from_decoding(llama):
    prompts = [llama.tokenizer(text).input_ids for text in TEXTS]
    capture = decode(llama, prompts, 3, 2, sampling=Sampling(top_k=5))
    assert capture.generate_seconds > 0 and capture.oracle_seconds > 0


@pytest.mark.parametrize("dtypes", [[torch.float32] * 3, [torch.bfloat16, torch.float32, torch.bfloat16]])
def test_copies_of_states_are_their_equals_and_their_own(dtypes):
    states = [torch.randn(2, 1, 5).to(dtype) for dtype in dtypes]
    before = [state.clone() for state in states]
    copies = module._copies(states)
    for state in states:
        state.zero_()
    assert [copy.dtype for copy in copies] == dtypes
    assert all(map(torch.equal, copies, before))
