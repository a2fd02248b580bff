"""A replay runs the layers up to each exit, on true states, and every token is the text's."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.clock.replay import Replay
from benchmark.clock.timed_batch import KnownText, time_batch
from benchmark.decoding.engine import Limits
from benchmark.decoding.prepare import prepare
from benchmark.decoding.proven import capture_proven
from benchmark.errors import MeasurementError
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.sample import Sampling

PROMPTS = ([5, 6, 7, 8, 9, 10], [11, 12, 13, 14], [15, 16, 17, 18, 19, 20])
ATTENTION = ("llama", "gemma2", "qwen3", "gpt2", "mixtral", "opt", "deepseek_v3")
OTHERS = ("mamba2", "jamba", "falcon_h1", "gemma3n_text", "bloom")


def loaded(model_type, task="causal", **overrides):
    return prepare(tiny_model(model_type, task, **overrides), tiny_tokenizer(), task)


def known(model, prompts, lengths):
    """Texts that the model writes, cut to some lengths."""
    trace = capture_proven(model, prompts, Limits(max(lengths), 3), Sampling(tokens=1, top_k=1)).capture.trace
    texts = []
    for number, (prompt, length) in enumerate(zip(prompts, lengths, strict=True)):
        mine = np.flatnonzero(trace.prompt == number)[:length]
        texts.append(KnownText(number, prompt, trace.target[mine].tolist(), trace.matches[mine]))
    return texts


def replayed(model, texts):
    """A replay of texts, and the exits of their steps."""
    replay = Replay(model, [text.prompt for text in texts], [text.tokens for text in texts])
    exits = np.zeros(replay.texts.shape, np.int64)
    for row, text in enumerate(texts):
        exits[row, : len(text.exits)] = text.exits
    return replay, exits


def layers_run(model, replay, exits, alone):
    """How many states each layer is run for, in all steps together."""
    counts = np.zeros(model.anatomy.num_layers, int)
    axis = model.anatomy.batch_axis
    with replay.running():
        for number, layer in enumerate(model.anatomy.layers):
            inner = layer.module.forward.__closure__
            (forward,) = (cell for cell in inner if getattr(cell.cell_contents, "__name__", "") == "forward")
            run = forward.cell_contents

            def counted(*args, number=number, layer=layer, run=run, **kwargs):
                counts[number] += layer.state_in(args, kwargs).shape[axis]
                return run(*args, **kwargs)

            forward.cell_contents = counted
        tokens = replay.run(exits, alone)
    assert replay.same(tokens).all()
    return counts


@pytest.mark.parametrize("model_type", [*ATTENTION, *OTHERS])
def test_every_token_is_the_texts_with_all_layers_with_exits_and_with_all_layers_again(model_type):
    model = loaded(model_type)
    prompts = PROMPTS[::2] if model.recurrent else PROMPTS
    texts = known(model, prompts, [10, 6, 10][: len(prompts)])
    replay, exits = replayed(model, texts)
    last = np.full_like(exits, model.anatomy.num_layers)
    with replay.running():
        for asked in (last, exits, last):
            assert replay.same(replay.run(asked)).all()
        assert replay.can_leave_alone(exits) == (model_type in ATTENTION)


def test_a_decoder_behind_an_encoder_is_replayed():
    model = loaded("t5", "encoder-decoder")
    replay, exits = replayed(model, known(model, PROMPTS[:2], [8, 5]))
    with replay.running():
        assert replay.same(replay.run(exits)).all()


@pytest.mark.parametrize("alone", [False, True])
def test_layers_run_for_the_tokens_that_need_them_and_no_others(alone):
    model = loaded("llama")
    texts = known(model, PROMPTS, [9, 4, 9])
    replay, exits = replayed(model, texts)
    going = exits > 0
    layers = np.arange(1, model.anatomy.num_layers + 1)[:, None, None]
    needed = (exits >= layers) & going if alone else (exits.max(axis=0) >= layers) & going
    assert layers_run(model, replay, exits, alone).tolist() == needed.sum(axis=(1, 2)).tolist()


def test_a_sliding_window_is_set_back():
    model = loaded("gemma2", sliding_window=4)
    replay, exits = replayed(model, known(model, PROMPTS[:1], [12]))
    with replay.running():
        assert replay.same(replay.run(exits)).all() and replay.same(replay.run(exits)).all()


def test_a_token_that_its_exit_does_not_give_is_noticed():
    model = loaded("llama")
    (text,) = known(model, PROMPTS[:1], [10])
    wrong = text.matches.copy()
    step = int(np.flatnonzero(text.exits > 1)[0])
    assert not wrong[step + 1, 0]
    wrong[step + 1, 0] = True
    with pytest.raises(MeasurementError, match=f"replayed to layer 1, token {step + 1} is not that of the text"):
        time_batch(model, [replace(text, matches=wrong)], 3, None, warm_up=False)


@pytest.mark.parametrize(
    ("model_type", "reason"),
    [
        ("rwkv", "the model keeps no cache, which cannot be set back"),
        ("xlstm", "the model keeps a xLSTMCache, which cannot be set back"),
        ("recurrent_gemma", "it keeps a state elsewhere"),
    ],
)
def test_what_cannot_be_set_back_is_refused(model_type, reason):
    model = loaded(model_type)
    with pytest.raises(MeasurementError, match=reason):
        time_batch(model, known(model, PROMPTS[:1], [10]), 3, None, warm_up=False)


def test_sixteen_bit_is_counted_not_refused():
    model = prepare(tiny_model("llama", "causal").to(torch.bfloat16), tiny_tokenizer(), "causal")
    texts = known(model, PROMPTS, [8, 8, 8])
    assert len(time_batch(model, texts, 3, None, warm_up=False).replayed) == 3
