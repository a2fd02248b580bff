"""Texts with early exits, token by token and exit by exit, against gated decoding by its definition."""

from dataclasses import replace
from math import nan

import brute_gated as plain
import numpy as np
import pytest
from brute_gated import written_by_definition

from benchmark.cases.studies.gated_rule import rule_of
from benchmark.decoding.engine import Limits
from benchmark.decoding.gated.looks import Looks
from benchmark.decoding.gated.on_generate import decode_gated
from benchmark.decoding.gated.rule import NEVER, Given
from benchmark.decoding.prepare import prepare
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.settings import POLICIES
from benchmark.metrics.gates.gate import Entropy, Gate, Margin, MaxProb, Oracle, Patience, Saturation, Static
from benchmark.models.hub import Hub
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer


def both(model, prompts, new_tokens, gate, threshold, by_definition, policy, looks=None, batch_size=2):
    """What is written in batches, and by definition."""
    layers = model.anatomy.num_layers
    looks = looks or range(1, layers)
    rule = rule_of(gate, threshold, looks, layers, model.readout.vocab_size)
    found = decode_gated(model, prompts, Limits(new_tokens, batch_size), rule, policy)
    truth = [
        written_by_definition(model, prompt, new_tokens, lambda _: by_definition, looks, policy) for prompt in prompts
    ]
    return plainly(found), truth


def plainly(texts):
    return [(list(text.tokens), list(text.exits)) for text in texts]


GATES = {
    "max_prob": (MaxProb(), 0.6, plain.max_prob(0.6)),
    "margin": (Margin(), 0.5, plain.margin(0.5)),
    "entropy": (Entropy(), 0.8, plain.entropy(0.8)),
    "saturation": (Saturation(), 0.98, plain.saturation(0.98)),
    "patience": (Patience(), 3 / 29, plain.patience(3)),
    "static": (Static(), 24 / 30, plain.static(24)),
    "oracle": (Oracle(), 1.0, plain.oracle()),
}
"""Each with its threshold, and the same by definition."""


@pytest.fixture(scope="module")
def prompts(embedded):
    (humaneval,) = (workload for workload in load_workloads() if workload.name == "humaneval")
    return [embedded.tokenizer(prompt.text).input_ids for prompt in read_prompts(humaneval, 2, Hub(download=False))]


WHOLE = ("margin", "oracle")
"""Gates that are tried under every policy; each of the others under one, in turn."""
PAIRS = [
    (name, policy)
    for number, name in enumerate(GATES)
    for policy in (POLICIES if name in WHOLE else [POLICIES[number % len(POLICIES)]])
]


class TestOfARealModel:
    @pytest.mark.parametrize(("name", "policy"), PAIRS)
    def test_every_gate_and_every_policy(self, embedded, prompts, name, policy):
        """Of the ends of two prompts, so that passes over the whole text take little."""
        ends = [prompts[0][-30:], prompts[1][-20:]]
        gate, threshold, by_definition = GATES[name]
        found, truth = both(embedded, ends, 5, gate, threshold, by_definition, policy)
        assert found == truth
        rule = rule_of(gate, threshold, range(1, 30), 30, embedded.readout.vocab_size)
        assert plainly(decode_gated(embedded, ends, Limits(5, 1), rule, policy)) == truth

    @pytest.mark.parametrize(
        ("policy", "tokens", "exits"),
        [
            ("recompute", [3725, 476, 504, 216], [30, 1, 30, 1]),
            ("propagate", [3725, 476, 339, 28287, 29, 216], [30, 1, 19, 2, 4, 9]),
            ("copy", [3725, 476, 8116, 29, 284, 339], [30, 1, 30, 9, 2, 1]),
        ],
    )
    def test_a_whole_prompt_goes_on_as_an_independent_computation_did(self, embedded, prompts, policy, tokens, exits):
        rule = rule_of(MaxProb(), 0.6, range(1, 30), 30, embedded.readout.vocab_size)
        (text,) = plainly(decode_gated(embedded, prompts[:1], Limits(len(tokens), 1), rule, policy))
        assert text == (tokens, exits)


KINDS = {
    "llama": ("causal", {}),
    "gemma2": ("causal", {"final_logit_softcapping": 5.0}),
    "mixtral": ("causal", {}),
    "gpt2": ("causal", {}),
    "mamba": ("causal", {}),
    "jamba": ("causal", {}),
    "rwkv": ("causal", {}),
    "t5": ("encoder-decoder", {}),
    "bart": ("encoder-decoder", {}),
}
COPIES = {"llama", "gemma2", "mixtral"}
"""Those whose projections of keys and values are called so."""


def tiny(model_type, **fields):
    task, more = KINDS[model_type]
    return prepare(tiny_model(model_type, task, **more, **fields), tiny_tokenizer(), task)


def prompts_for(model):
    rng = np.random.default_rng(0)
    return [rng.integers(4, 60, length).tolist() for length in ((8, 8) if model.recurrent else (8, 5))]


def halfway(model, prompt, signal):
    """The median of a signal over the looks at some tokens: about half of the looks let a token leave."""
    values = []

    def never(looks):
        values.append(signal(looks[-1]))
        return False

    looks = range(1, model.anatomy.num_layers)
    written_by_definition(model, prompt, 3, lambda _: never, looks, "recompute")
    return float(np.nanmedian(values))


@pytest.mark.parametrize(
    ("model_type", "policy"),
    [
        (model_type, policy)
        for model_type in KINDS
        for policy in ("recompute", "propagate", *(["copy"] if model_type in COPIES else []))
    ],
)
def test_every_kind_of_model(model_type, policy):
    model = tiny(model_type)
    prompts, layers = prompts_for(model), model.anatomy.num_layers
    margin = halfway(model, prompts[0], lambda look: float(look.p[0] - look.p[1]))
    cosine = halfway(model, prompts[0], lambda look: look.cosine if look.layer > 1 else nan)
    early = 0
    for gate, threshold, by_definition in (
        (Margin(), margin, plain.margin(margin)),
        (Saturation(), cosine, plain.saturation(cosine)),
        (Patience(), 2 / (layers - 1), plain.patience(2)),
        (Oracle(), 1.0, plain.oracle()),
    ):
        found, truth = both(model, prompts, 6, gate, threshold, by_definition, policy)
        assert found == truth, gate.name
        early += sum(1 < exit_layer < layers for _, exits in truth for exit_layer in exits)
    assert early > 0
    exits = [[layers, 1, layers, 2, 3, 1], [layers, 2, 1, layers, layers, 1]]
    truth = [
        written_by_definition(model, prompt, 6, plain.given(some), range(1, layers), policy)
        for prompt, some in zip(prompts, exits, strict=True)
    ]
    assert plainly(decode_gated(model, prompts, Limits(6, 2), Given(exits), policy)) == truth


@pytest.mark.parametrize("policy", POLICIES)
def test_where_it_looks_and_at_whom(policy, monkeypatch):
    """At every second layer from the second on, and never again at a text whose token has left, or that has ended."""
    model = tiny("llama", num_hidden_layers=8)
    prompts, looks = prompts_for(model), (2, 4, 6)
    threshold = halfway(model, prompts[0], lambda look: float(look.p[0]))
    rule = rule_of(MaxProb(), threshold, looks, 8, model.readout.vocab_size)
    whole = decode_gated(model, prompts, Limits(12, 2), rule, policy)
    # The shorter text ends with the first token that neither has written before.
    end = next(
        token
        for number, token in enumerate(whole[1].tokens)
        if number > 2 and token not in whole[1].tokens[:number] and token not in whole[0].tokens
    )
    model = replace(model, end_ids=frozenset({end}))
    looked, leaving = [], Looks.leaving

    def watched(self, layer, rows, states, before):
        looked.append((layer, rows.tolist()))
        return leaving(self, layer, rows, states, before)

    monkeypatch.setattr(Looks, "leaving", watched)
    texts = decode_gated(model, prompts, Limits(12, 2), rule, policy)
    monkeypatch.undo()
    assert texts[0] == whole[0] and len(texts[1].tokens) == whole[1].tokens.index(end) + 1
    expected, shortest_first = [], texts[::-1]
    for token in range(1, 12):
        for layer in looks:
            rows = [
                row for row, text in enumerate(shortest_first) if token < len(text.exits) and text.exits[token] >= layer
            ]
            expected += [(layer, rows)] if rows else []
    assert looked == expected
    found, truth = both(model, prompts, 12, MaxProb(), threshold, plain.max_prob(threshold), policy, looks)
    assert found == truth == plainly(texts)
    assert {exit_layer for _, exits in truth for exit_layer in exits} <= {*looks, 8}


def test_a_gate_of_somebodys_own():
    class SureTwice(Gate):
        """Leaves when the same token has been the likeliest at two looks, and its probability has grown."""

        name = "sure_twice"

        def signal(self, seen):
            same, grown = np.zeros(seen.max_prob.shape, bool), np.zeros(seen.max_prob.shape, bool)
            same[:, 1:] = seen.predictions[:, 1:] == seen.predictions[:, :-1]
            grown[:, 1:] = seen.max_prob[:, 1:] > seen.max_prob[:, :-1]
            return (same & grown).astype(float)

    def by_definition(looks):
        return len(looks) > 1 and looks[-1].said == looks[-2].said and bool(looks[-1].p[0] > looks[-2].p[0])

    model = tiny("llama", num_hidden_layers=8)
    found, truth = both(model, prompts_for(model), 10, SureTwice(), 1.0, by_definition, "propagate")
    assert found == truth
    assert any(exit_layer < 8 for _, exits in truth for exit_layer in exits)


def test_progress_counts_every_token_and_every_text():
    model = tiny("llama")
    told = []
    texts = decode_gated(
        model, prompts_for(model), Limits(5, 2), NEVER, "recompute", lambda *counts: told.append(counts)
    )
    assert np.sum(told, axis=0).tolist() == [sum(len(text.tokens) for text in texts), 2]


def test_given_exits_go_on_with_the_last_of_them():
    (text,) = decode_gated(tiny("llama"), [[5, 6, 7]], Limits(5, 1), Given([[4, 2, 1]]), "propagate")
    assert text.exits == (4, 2, 1, 1, 1)
