"""Decoding that keeps the states of every layer, against passes that keep no cache and read one state at a time."""

from contextlib import ExitStack

import numpy as np
import pytest
import torch
from captures import decode

from benchmark.decoding.batching import groups
from benchmark.decoding.prepare import prepare
from benchmark.errors import MeasurementError
from benchmark.readout.proof import dissect
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.sample import Sampling

TEXTS = ("the cat sat", "a dog barked at the moon", "hello there", "one two three four")
NEW_TOKENS = 6


def loaded(model_type, task="causal", **overrides):
    return prepare(tiny_model(model_type, task, **overrides), tiny_tokenizer(), task)


def encoded(model):
    return [model.tokenizer(text).input_ids for text in TEXTS]


def without_cache(model, prompt):
    """The token of every layer at every step, each step a fresh forward pass over the whole text."""
    text, rows = list(prompt), []
    for _ in range(NEW_TOKENS):
        states = []
        with ExitStack() as stack, torch.inference_mode():
            for layer in model.anatomy.layers:
                stack.callback(layer.module.register_forward_hook(keeping(states, layer)).remove)
            logits = model.model(input_ids=torch.tensor([text]), use_cache=False).logits
        rows.append([int(model.readout.logits(model.anatomy.last_position(state)).argmax()) for state in states])
        assert rows[-1][-1] == int(logits[0, -1].argmax())
        text.append(rows[-1][-1])
        if text[-1] in model.end_ids:
            break
    return rows


def keeping(states, layer):
    return lambda _, __, output: states.append(layer.state_out(output))


@pytest.mark.parametrize(
    "model_type", ["llama", "gpt2", "gemma2", "mixtral", "mamba", "mamba2", "jamba", "rwkv", "lfm2"]
)
def test_cached_decoding_reads_what_a_fresh_forward_pass_reads(model_type):
    model = loaded(model_type)
    trace = decode(model, encoded(model), NEW_TOKENS, batch_size=2, sampling=Sampling(tokens=None)).trace
    for number, prompt in enumerate(encoded(model)):
        assert trace.predictions[trace.prompt == number].tolist() == without_cache(model, prompt)


@pytest.mark.parametrize("model_type", ["llama", "gemma2"])
@pytest.mark.parametrize("batch_size", [2, 3, 16])
def test_the_batch_size_changes_nothing(model_type, batch_size):
    """Neither the exits nor what is known of the sample, halves included."""
    model, sampling = loaded(model_type), Sampling(tokens=9, top_k=5)
    alone = decode(model, encoded(model), NEW_TOKENS, 1, sampling=sampling).trace
    together = decode(model, encoded(model), NEW_TOKENS, batch_size, sampling=sampling).trace
    assert 0 < alone.sampled.sum() < alone.num_tokens
    for name, array in vars(alone).items():
        if np.issubdtype(array.dtype, np.floating):
            np.testing.assert_allclose(getattr(together, name), array, atol=1e-5, err_msg=name)
        else:
            assert getattr(together, name).tolist() == array.tolist(), name


def test_tokens_are_in_the_order_of_the_prompts_and_of_the_text():
    model = loaded("llama")
    trace = decode(model, encoded(model), NEW_TOKENS, batch_size=3).trace
    assert list(zip(trace.prompt, trace.position, strict=True)) == sorted(
        zip(trace.prompt, trace.position, strict=True)
    )


def test_the_first_end_of_text_counts_and_ends_the_prompt():
    model = loaded("llama")
    trace = decode(model, encoded(model), NEW_TOKENS, batch_size=4).trace
    end = int(trace.target[trace.prompt == 0][2])
    model.tokenizer.eos_token = model.tokenizer.convert_ids_to_tokens(end)
    ending = prepare(model.model, model.tokenizer, "causal")
    shorter = decode(ending, encoded(model), NEW_TOKENS, batch_size=4).trace
    for number in range(len(TEXTS)):
        full = trace.target[trace.prompt == number].tolist()
        expected = full[: full.index(end) + 1] if end in full else full
        assert shorter.target[shorter.prompt == number].tolist() == expected


def test_progress_counts_every_token_and_every_prompt():
    model, seen = loaded("llama"), []
    trace = decode(model, encoded(model), NEW_TOKENS, 2, lambda tokens, prompts: seen.append((tokens, prompts))).trace
    assert [sum(column) for column in zip(*seen, strict=True)] == [trace.num_tokens, len(TEXTS)]


def test_recurrent_models_are_never_padded():
    assert list(groups([3, 3, 4, 5, 5], [1, 4, 3, 0, 2], 2)) == [[1, 4], [3], [0, 2]]
    assert list(groups([0] * 5, [1, 4, 3, 0, 2], 2)) == [[1, 4], [3, 0], [2]]
    model = loaded("mamba")
    assert model.recurrent
    assert decode(model, encoded(model), 2, batch_size=4).batch_size == 2  # two of the prompts have eleven letters


def test_a_model_whose_prompts_leak_into_one_another_decodes_them_one_at_a_time():
    model = loaded("rwkv")  # its time shift broadcasts over the batch
    assert not model.batchable
    assert decode(model, encoded(model), 2, batch_size=4).batch_size == 1


def test_nothing_that_grows_with_the_vocabulary_is_kept():
    model = loaded("llama")
    trace = decode(model, encoded(model), NEW_TOKENS, batch_size=2, sampling=Sampling(tokens=5, top_k=5)).trace
    tokens, layers, sampled = trace.num_tokens, trace.num_layers, int(trace.sampled.sum())
    shapes = {array.shape for array in vars(trace).values()}
    assert shapes == {(tokens,), (tokens, layers), (sampled, layers)}


def test_the_text_is_kept_in_pieces():
    model = loaded("llama")
    trace = decode(model, encoded(model), NEW_TOKENS, batch_size=2).trace
    for number in range(len(TEXTS)):
        mine = trace.prompt == number
        assert "".join(trace.text[mine]) == model.tokenizer.decode(trace.target[mine])


def test_hooks_are_removed_also_after_an_exception():
    model = loaded("llama")

    def fail(tokens, prompts):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode(model, encoded(model), NEW_TOKENS, 2, fail)
    for module in model.model.modules():
        assert not (module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def test_nan_is_refused_and_the_layer_named():
    model = loaded("llama")
    with torch.no_grad():
        model.model.model.layers[2].mlp.down_proj.weight.fill_(torch.nan)
    with pytest.raises(MeasurementError, match="NaN from layer 3 of 4 on"):
        decode(model, encoded(model), NEW_TOKENS, 2)


def test_sampling_and_penalties_of_the_checkpoint_do_not_count():
    plain = tiny_model("llama", "causal")
    spoiled = tiny_model("llama", "causal")
    spoiled.generation_config.do_sample = True
    spoiled.generation_config.repetition_penalty = 5.0
    spoiled.generation_config.temperature = 3.0
    traces = [
        decode(prepare(model, tiny_tokenizer(), "causal"), [[5, 6, 7]], 12, 1).trace for model in (plain, spoiled)
    ]
    assert traces[0].target.tolist() == traces[1].target.tolist()


def test_a_model_whose_generate_feeds_something_else_is_refused():
    with pytest.raises(MeasurementError, match="looks ahead"):
        loaded("xlnet")


def test_an_encoder_decoder_is_read_out_in_its_decoder():
    model = loaded("bart", "encoder-decoder")
    trace = decode(model, encoded(model), NEW_TOKENS, batch_size=4).trace
    text = model.model.generate(torch.tensor([encoded(model)[0]]), max_new_tokens=NEW_TOKENS)[0, 1:].tolist()
    assert trace.target[trace.prompt == 0].tolist() == text
    assert trace.num_layers == 4


def test_dissect_says_how_exact_it_is():
    _, _, worst = dissect(tiny_model("gemma2", "causal"), "causal", torch.arange(3, 10)[None], every_layer=True)
    assert worst == 0.0
