"""Deferred decoding: whoever leaves where, the text is what the exits say of true states, and late layers say no other.

Held against decoding that runs all layers for every token, where nothing is deferred.
"""

from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.anatomy.hooks import replaced_forward
from benchmark.cases.studies.gated_rule import rule_of
from benchmark.clock.deferred import decode_deferred
from benchmark.clock.drafts import plain_text
from benchmark.clock.proof import prove_deferred
from benchmark.decoding.engine import Limits
from benchmark.decoding.gated.on_generate import decode_gated
from benchmark.decoding.gated.rule import NEVER, Given
from benchmark.decoding.prepare import prepare
from benchmark.errors import MeasurementError
from benchmark.metrics.gates.gate import Margin, Patience, Saturation
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer

PROMPT = [5, 6, 7, 8, 9, 10, 11]
LAYERS, NEW_TOKENS = 5, 14
KINDS = {"llama": {}, "gemma2": {"sliding_window": 6}, "qwen3": {}, "gpt2": {}, "mixtral": {}}


@pytest.fixture(scope="module")
def models():
    return {kind: loaded(kind, **overrides) for kind, overrides in KINDS.items()}


def loaded(kind, **overrides):
    return prepare(tiny_model(kind, "causal", num_hidden_layers=LAYERS, **overrides), tiny_tokenizer(), "causal")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_schedule_writes_the_full_models_text_and_what_exits_say(models, kind, data):
    model = models[kind]
    layer = st.integers(1, LAYERS)
    exits = [LAYERS, *data.draw(st.lists(layer, min_size=NEW_TOKENS - 2, max_size=NEW_TOKENS - 2)), LAYERS]
    cap = data.draw(st.integers(1, NEW_TOKENS))
    late: dict[int, int] = {}

    def completed(number, state):
        late[number] = int(model.readout.logits(state)[0, 0].argmax())

    full = plain_text(model, PROMPT, NEW_TOKENS)
    schedule = Given([[*exits[: len(full) - 1], LAYERS]])
    forced = decode_deferred(model, PROMPT, len(full), schedule, cap, forced=full, completed=completed)
    assert all(full[number] == token for number, token in late.items())
    early = {number for number, exit_layer in enumerate(forced.exits) if exit_layer < LAYERS}
    flushed = {number for number in early if forced.pending[number - 1] >= cap}
    assert {*late} == early - flushed, "the last token runs all layers, and all that wait with it"

    (truth,) = decode_gated(model, [PROMPT], Limits(NEW_TOKENS, 1), Given([exits]), "recompute")
    written = decode_deferred(model, PROMPT, NEW_TOKENS, Given([exits]), cap)
    assert (written.tokens, written.exits) == (truth.tokens, truth.exits)
    assert max(written.pending) <= cap


@pytest.mark.parametrize(("gate", "threshold"), [(Margin(), 0.3), (Saturation(), 0.9), (Patience(), 2 / 4)])
def test_a_gate_decides_as_it_does_where_nothing_is_deferred(models, gate, threshold):
    for model in models.values():
        rule = rule_of(gate, threshold, range(1, LAYERS), LAYERS, model.readout.vocab_size)
        (truth,) = decode_gated(model, [PROMPT], Limits(NEW_TOKENS, 1), rule, "recompute")
        written = decode_deferred(model, PROMPT, NEW_TOKENS, rule)
        assert (written.tokens, written.exits) == (truth.tokens, truth.exits)


def test_layers_are_run_once_a_step_for_all_who_go_that_far(models):
    model = models["llama"]
    exits = [LAYERS, 2, 1, 3, LAYERS]
    run: list[tuple[int, int]] = []
    with ExitStack() as stack:
        for number, layer in enumerate(model.anatomy.layers, start=1):

            def counted(*args, number=number, layer=layer, forward=layer.module.forward, **kwargs):
                run.append((number, layer.state_in(args, kwargs).shape[1]))
                return forward(*args, **kwargs)

            stack.enter_context(replaced_forward(layer.module, counted))
        written = decode_deferred(model, PROMPT, len(exits), Given([exits]), forced=[5, 6, 7, 8, 9])
    assert written.pending == (0, 1, 2, 3, 0)
    prefill = [(number, len(PROMPT)) for number in range(1, 6)]
    # One waits at 2, then one at 1; both join the third, at layer 3 and at 2; all that wait at 3 join the last at 4.
    steps = [[1, 1], [1], [1, 2, 3], [1, 1, 1, 4, 4]]
    assert run == prefill + [(number, count) for counts in steps for number, count in enumerate(counts, start=1)]


def test_the_gate_that_never_lets_leave_writes_the_full_text(models):
    for model in models.values():
        assert list(decode_deferred(model, PROMPT, NEW_TOKENS, NEVER).tokens) == plain_text(model, PROMPT, NEW_TOKENS)


def test_an_end_of_text_ends_the_text(models):
    model = models["llama"]
    full = plain_text(model, PROMPT, NEW_TOKENS)
    ended = decode_deferred(model, PROMPT, NEW_TOKENS, NEVER, forced=[*full[:3], min(model.end_ids), *full[3:]])
    assert len(ended.tokens) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_what_holds_is_proven(models, kind):
    prove_deferred(models[kind])


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("mamba", "the model keeps no cache, of which no layer can lag behind"),
        ("jamba", "the cache has a LinearAttentionLayer, which cannot lag behind"),
        ("minimax", "the model keeps a MiniMaxCache, of which no layer can lag behind"),
    ],
)
def test_what_cannot_lag_behind_is_refused(kind, reason):
    model = prepare(tiny_model(kind, "causal"), tiny_tokenizer(), "causal")
    with pytest.raises(MeasurementError, match=reason):
        prove_deferred(model)


def test_late_layers_that_see_other_states_are_noticed(models, monkeypatch):
    model = models["llama"]
    monkeypatch.setattr("benchmark.clock.deferred._sliced", lambda value, shown, kept: value)
    with pytest.raises(MeasurementError, match="deferred decoding"):
        prove_deferred(model)


def test_exits_are_counted_from_the_prompt(models):
    written = decode_deferred(models["llama"], PROMPT, 3, Given([[LAYERS, 1, 2]]))
    assert written.exits == (LAYERS, 1, 2) and np.all(np.array(written.seconds) > 0)
