"""The embedded real model on HumanEval: every column of its row against a computation that shares no code with ours.

One prompt at a time: plain `generate` for the text, then one pass over prompt and text through the Llama modules
themselves, and the full logits of every layer in double precision from the states on. Of each quantity, its definition
once more, in words of its own.
"""

import itertools
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.prompts import read_prompts
from benchmark.models.hub import Hub
from benchmark.results.row.frame import ClockMeasured, GatedMeasured, Setting

ROOT = Path(__file__).parents[2]
PROMPTS, NEW_TOKENS, K, ALPHA = 4, 48, 10, 0.5
TAU = [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
TAU += [0.98, 0.99, 1.0]
SIMILARITIES = {"logit": "eas", "logit_raw": "eas_raw", "hidden": "eas_hidden", "topk": "eas_topk"}

NOT_COMPUTED = [
    "schema_version",
    "status",
    "error",
    "suite",
    "experiments",
    "model",
    "workload",
    "configuration",
    "source",
    "revision",
    "checkpoint",
    "training_step",
    "family",
    "released",
    "architecture",
    "stage",
    "base_model",
    "dtype",
    "stored_as",
    "quantization",
    "device",
    "batch_size",
    "max_new_tokens",
    "prompts_left_out",
    "prompts_sha256",
    "prompt_ids_sha256",
    "limited",
    "chat_template",
    "template_date",
    "engine",
    "with_cache",
    "reread_tokens",
    "reread_differing",
    "alpha",
    "seed",
    "top_k",
    "generate_seconds",
    "oracle_seconds",
    "case_seconds",
    "load_seconds",
    "peak_memory_bytes",
    "score",
    "score_ci_low",
    "score_ci_high",
    "scored_prompts",
    "score_errors",
    "score_missing",
    "token_records_sha256",
    "started",
    "harness_version",
    "harness_commit",
    "harness_dirty",
    "torch_version",
    "transformers_version",
    "python_version",
    "platform",
    "accelerator",
    "lm_eval_version",
    "driver",
]
"""What a row says besides its numbers."""


def measure(folder, *options):
    """The row and the token records that the documented command writes."""
    command = [sys.executable, "-m", "pytest", "suites/", "--model-file", "models.yaml", "-p", "no:cacheprovider"]
    command += [
        "--study",
        "oracle",
        "--model",
        "SmolLM2-135M-Instruct",
        "--workload",
        "humaneval",
        "--limit",
        str(PROMPTS),
    ]
    command += ["--max-new-tokens", str(NEW_TOKENS), "--dtype", "float32", "--device", "cpu"]
    done = subprocess.run([*command, *options, "--results-dir", folder], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.rglob("*.json")
    return json.loads(path.read_text()), pd.read_parquet(path.with_suffix(".parquet"))


@pytest.fixture(scope="module")
def every_token(tmp_path_factory):
    return measure(tmp_path_factory.mktemp("every"), "--batch-size", "1", "--sample", "all")


@pytest.fixture(scope="module")
def some_tokens(tmp_path_factory):
    return measure(tmp_path_factory.mktemp("some"), "--batch-size", "4")


@pytest.fixture(scope="module", params=["every_token", "some_tokens"])
def measured(request):
    """With every token in the sample, and with the default sample."""
    return request.getfixturevalue(request.param)


@dataclass
class Truth:
    """Of T tokens: T, or T × L."""

    prompt: np.ndarray
    position: np.ndarray
    target: np.ndarray
    said: np.ndarray
    said_between: np.ndarray
    """Behind the attention of each layer."""
    logit: np.ndarray
    logit_raw: np.ndarray
    hidden: np.ndarray
    topk: np.ndarray
    entropy: np.ndarray
    kl: np.ndarray
    rank: np.ndarray
    margin: np.ndarray
    max_prob: np.ndarray
    prob_margin: np.ndarray
    previous: np.ndarray

    @property
    def layers(self):
        return self.said.shape[1]

    @property
    def matches(self):
        return self.said == self.target[:, None]

    @property
    def matches_between(self):
        return self.said_between == self.target[:, None]


@pytest.fixture(scope="module")
def truth(embedded):
    model, tokenizer = embedded.model, embedded.tokenizer
    (humaneval,) = (spec for spec in load_workloads() if spec.name == "humaneval")
    single, double = model.lm_head.weight, model.lm_head.weight.double()
    tokens = []
    for number, prompt in enumerate(read_prompts(humaneval, PROMPTS, Hub(download=False))):
        ids = tokenizer(prompt.text, return_tensors="pt").input_ids
        text = model.generate(ids, max_new_tokens=NEW_TOKENS, do_sample=False, num_beams=1)
        written = text[0, ids.shape[1] :].tolist()
        beginnings = (tokenizer.decode(written[: count + 1]) for count in range(len(written)))
        stopped = (any(stop in beginning for stop in humaneval.stop) for beginning in beginnings)
        text = text[:, : ids.shape[1] + next((count + 1 for count, end in enumerate(stopped) if end), len(written))]
        with torch.inference_mode():
            behind, states, between = through_the_layers(model, text[:, :-1], ids.shape[1] - 1)
            for position, (plain, state, middle) in enumerate(zip(behind, states, between, strict=True)):
                told = distributions(state.double(), state.double() @ double.T)
                told["previous"] = cosines_to_previous(plain.double()).numpy()
                tokens.append((number, position, told["said"][-1], argmaxes(middle, single, double), told))
    numbers, positions, targets, middles, told = zip(*tokens, strict=True)
    return Truth(
        np.array(numbers),
        np.array(positions),
        np.array(targets),
        said_between=np.array(middles),
        **{name: np.array([of_token[name] for of_token in told]) for name in told[0]},
    )


def through_the_layers(model, ids, start):
    """States behind each layer, then those and the ones behind its attention after the final norm: positions from
    `start` on × L × d."""
    llama = model.model
    state = llama.embed_tokens(ids)
    rotation = llama.rotary_emb(state, torch.arange(ids.shape[1])[None])
    behind, states, between = [], [], []
    for layer in llama.layers:
        attended, _ = layer.self_attn(
            layer.input_layernorm(state), position_embeddings=rotation, attention_mask=None, past_key_values=None
        )
        state = state + attended
        between.append(llama.norm(state)[0, start:])
        state = state + layer.mlp(layer.post_attention_layernorm(state))
        behind.append(state[0, start:])
        states.append(llama.norm(state)[0, start:])
    return torch.stack(behind, dim=1), torch.stack(states, dim=1), torch.stack(between, dim=1)


def distributions(states, logits):
    """Of one token, by layer: states L × d, logits L × V, in double precision."""
    target = int(logits[-1].argmax())
    centred = logits - logits.mean(-1, keepdim=True)
    log_p = logits.log_softmax(-1)
    p = log_p.exp()
    best = logits.topk(K)
    last = set(best.indices[-1].tolist())
    largest = p.topk(2).values
    told = {
        "said": best.indices[:, 0],
        "logit": cosines_to_last(centred),
        "logit_raw": cosines_to_last(logits),
        "hidden": cosines_to_last(states),
        "topk": torch.tensor([len(last & set(layer)) / K for layer in best.indices.tolist()], dtype=torch.float64),
        "entropy": -(p * log_p).sum(-1),
        "kl": (p[-1] * (log_p[-1] - log_p)).sum(-1),
        "rank": 1 + (logits > logits[:, target, None]).sum(-1),
        "margin": best.values[:, 0] - best.values[:, 1],
        "max_prob": largest[:, 0],
        "prob_margin": largest[:, 0] - largest[:, 1],
    }
    return {name: values.numpy() for name, values in told.items()}


def argmaxes(states, single, double):
    """Of the logits of each state, by the head in single precision, and where that leaves a doubt, in double."""
    best = (states @ single.T).topk(2)
    said, doubtful = best.indices[:, 0], best.values[:, 0] - best.values[:, 1] < 1e-3
    said[doubtful] = (states[doubtful].double() @ double.T).argmax(-1)
    return said.numpy()


def cosines_to_last(vectors):
    lengths = vectors.norm(dim=-1)
    return vectors @ vectors[-1] / (lengths * lengths[-1])


def cosines_to_previous(vectors):
    lengths = vectors.norm(dim=-1)
    cosines = (vectors[1:] * vectors[:-1]).sum(-1) / (lengths[1:] * lengths[:-1])
    return torch.cat([torch.tensor([torch.nan]), cosines])


def first_exits(matches):
    return np.array([1 + list(token).index(True) for token in matches])


def settled_exits(matches):
    layers = matches.shape[1]
    return np.array([min(layer for layer in range(1, layers + 1) if all(token[layer - 1 :])) for token in matches])


def share_of(exits, at):
    return [float(np.mean(exits == place)) for place in at]


def extremes(prompt, number_of):
    """The least and the largest value of a number among all draws of as many prompts as there are.

    Each of the 256 draws of four prompts is one in 256 of the ten thousand, and with four prompts the interval leaves
    out one draw in 8000 at either end: Φ(−√(4/3) · t) = 0.00012, t the 97.5 % quantile of Student's distribution of 3
    degrees of freedom, 3.18.
    """
    members = [np.flatnonzero(prompt == each) for each in np.unique(prompt)]
    draws = itertools.combinations_with_replacement(members, len(members))
    numbers = [number_of(np.concatenate(draw)) for draw in draws]
    return min(numbers), max(numbers)


def suitability(curve):
    layers = len(curve)
    terms = [max(s, 0) ** ALPHA * ((layers - i) / layers) ** (1 - ALPHA) for i, s in enumerate(curve, start=1)]
    return sum(terms) / layers


def exit_columns(truth, sampled):
    layers, matches = truth.layers, truth.matches
    first, settled = first_exits(matches), settled_exits(matches)
    skipped, skipped_settled = (layers - first) / layers, (layers - settled) / layers
    low, high = extremes(truth.prompt, lambda rows: skipped[rows].mean())
    settled_low, settled_high = extremes(truth.prompt, lambda rows: skipped_settled[rows].mean())
    # What a token would skip at the place of another: of every pair of a place of the sample and a token.
    by_chance = [
        (layers - 1 - list(said).index(token)) / layers if token in said else 0.0
        for said in truth.said[sampled]
        for token in truth.target
    ]
    return {
        "num_layers": layers,
        "tokens": len(truth.target),
        "sampled_tokens": int(sampled.sum()),
        "signal_tokens": int(sampled.sum()),
        "prompts": PROMPTS,
        "exit_layer_mean": first.mean(),
        "exit_layer_settled_mean": settled.mean(),
        "skip_ratio": skipped.mean(),
        "skip_ratio_ci_low": low,
        "skip_ratio_ci_high": high,
        "skip_ratio_settled": skipped_settled.mean(),
        "skip_ratio_settled_ci_low": settled_low,
        "skip_ratio_settled_ci_high": settled_high,
        "interval_missing": None,
        "not_argmax_share": None,
        "skip_ratio_chance": np.mean(by_chance),
        "hesitation_layers_mean": (settled - first).mean(),
        "contradicted_share": np.mean(settled != first),
        "tie_rate": np.mean(truth.margin[:, -1] == 0),
        "agreement": matches.mean(axis=0).tolist(),
        "agreement_chance": [
            np.mean([said == token for said in of_layer for token in truth.target])
            for of_layer in truth.said[sampled].T
        ],
        "exit_share": share_of(first, range(1, layers + 1)),
        "settled_share": share_of(settled, range(1, layers + 1)),
        "speedup_bound_layers": layers / first.mean(),
    }


def half_columns(truth, sampled):
    layers, prompt = truth.layers, truth.prompt[sampled]
    whole, between = truth.matches[sampled], truth.matches_between[sampled]
    # In the order of the computation: behind the attention of a layer, then behind the layer.
    both = np.stack([between, whole], axis=-1).reshape(len(whole), -1)
    first, settled = first_exits(both) / 2, settled_exits(both) / 2
    skipped = (layers - first) / layers
    low, high = extremes(prompt, lambda rows: skipped[rows].mean())
    return {
        "half_exit_mean": first.mean(),
        "half_exit_settled_mean": settled.mean(),
        "half_skip_ratio": skipped.mean(),
        "half_skip_ratio_ci_low": low,
        "half_skip_ratio_ci_high": high,
        "half_skip_ratio_settled": ((layers - settled) / layers).mean(),
        "half_skip_ratio_layers": ((layers - first_exits(whole)) / layers).mean(),
        "half_agreement": between.mean(axis=0).tolist(),
        "half_exit_share": share_of(first, np.arange(layers) + 0.5),
    }


def word_columns(truth, place):
    """`place` in the word is given: what a word is has tests of its own."""
    exits = first_exits(truth.matches)
    occurrences = np.array([list(truth.target).count(token) for token in truth.target])

    def groups(values, bounds):
        inside = [(values >= low) & (values < high) for low, high in bounds]
        return [int(some.sum()) for some in inside], [exits[some].mean() if some.any() else None for some in inside]

    def doubling(largest, *start):
        starts = [*start, *(2**power for power in range(20) if 2**power <= largest)]
        return starts, list(zip(starts, [*starts[1:], 10**9], strict=True))

    places, by_place = groups(place, [*((n, n + 1) for n in range(7)), (7, 10**9)])
    text_start, stretches = doubling(truth.position.max(), 0)
    frequency_start, frequencies = doubling(occurrences.max())
    by_text, by_frequency = groups(truth.position, stretches), groups(occurrences, frequencies)
    return {
        "exit_layer_mean_word_initial": exits[place == 0].mean(),
        "exit_layer_mean_continuation": exits[place > 0].mean(),
        "word_initial_share": (place == 0).sum() / (place >= 0).sum(),
        "word_position_tokens": places,
        "word_position_exit_layer_mean": by_place,
        "text_position_start": text_start,
        "text_position_tokens": by_text[0],
        "text_position_exit_layer_mean": by_text[1],
        "frequency_start": frequency_start,
        "frequency_tokens": by_frequency[0],
        "frequency_exit_layer_mean": by_frequency[1],
    }


def cost_columns(truth, config):
    """From the sizes in the config: float32, keys and values of grouped heads, a gated MLP, and a tied head."""
    layers, width, inner, vocab = truth.layers, config.hidden_size, config.intermediate_size, config.vocab_size
    keys = config.num_key_value_heads * (width // config.num_attention_heads)
    owed = 2 * width * keys  # key and value projections
    layer = 2 * width * width + owed + 3 * width * inner
    norm, number = width, 4
    exits = first_exits(truth.matches)
    columns = {
        "vocab_size": vocab,
        "parameters": layers * (layer + 2 * norm) + norm + vocab * width,
        "active_parameters": layers * (layer + 2 * norm) + norm + vocab * width,
        "layer_kind": ["attention"] * layers,
        "layer_bytes": [number * (layer + 2 * norm)] * layers,
        "layer_flops": [2 * layer] * layers,
        "layer_owed_bytes": [number * (owed + norm)] * layers,
        "layer_owed_flops": [2 * owed] * layers,
        "layer_active_expert_bytes": [0] * layers,
        "layer_expert_bytes": [0] * layers,
        "head_bytes": number * (norm + vocab * width),
        "head_flops": 2 * vocab * width,
        "embedding_bytes": number * width,
        "embedding_flops": 0,
    }
    for unit, suffix in (("bytes", ""), ("flops", "_flops")):
        each, skipped = columns[f"layer_{unit}"][0], columns[f"layer_owed_{unit}"][0]
        always = columns[f"head_{unit}"] + columns[f"embedding_{unit}"]
        full = always + layers * each
        columns[f"speedup_bound_head{suffix}"] = full / np.mean(always + exits * each)
        columns[f"speedup_bound_kv{suffix}"] = full / np.mean(always + exits * each + (layers - exits) * skipped)
        if not suffix:
            late = settled_exits(truth.matches)
            columns["speedup_bound_settled"] = full / np.mean(always + late * each + (layers - late) * skipped)
            columns |= speculation_columns(truth, each, always)
    return columns


def speculation_columns(truth, layer, always):
    """Draft by draft; the bytes of a layer, and of embedding and head. Without experts both kinds cost the same."""
    layers, full = truth.layers, always + truth.layers * layer
    lengths = [1, 2, 3, 4, 6, 8]
    prompts = [truth.matches[truth.prompt == number] for number in range(PROMPTS)]
    taken = {
        (exit_layer, length): [draft_by_draft(text[:, exit_layer - 1], length) for text in prompts]
        for exit_layer in range(1, layers + 1)
        for length in lengths
    }
    read = {
        (exit_layer, length): np.array(counts) * (length * (always + exit_layer * layer) + full)
        for (exit_layer, length), counts in taken.items()
        if exit_layer < layers
    }
    even = np.arange(PROMPTS) % 2 == 0
    judged = np.zeros(PROMPTS)
    for chosen_by in (even, ~even):
        best = min(read, key=lambda choice: (read[choice][chosen_by].sum(), choice))
        judged[~chosen_by] = read[best][~chosen_by]
    exit_layer, length = min(read, key=lambda choice: (read[choice].sum(), choice))
    of_all = np.array([full * len(text) for text in prompts])
    low, high = extremes(np.arange(PROMPTS), lambda rows: of_all[rows].sum() / judged[rows].sum())
    return {
        "speculation_draft_lengths": lengths,
        "speculation_tokens_per_round": [
            [len(truth.target) / sum(taken[each, length]) for each in range(1, layers + 1)] for length in lengths
        ],
        "speedup_speculation": of_all.sum() / judged.sum(),
        "speedup_speculation_ci_low": low,
        "speedup_speculation_ci_high": high,
        "speculation_exit_layer": exit_layer,
        "speculation_draft_length": length,
        "speedup_speculation_unshared": of_all.sum() / judged.sum(),
        "speculation_unshared_exit_layer": exit_layer,
        "speculation_unshared_draft_length": length,
        "speculation_rollback": False,
    }


def draft_by_draft(right, length):
    """Rounds of a text, of which the exit has these tokens right."""
    count = place = 0
    while place < len(right):
        count += 1
        for _ in range(length):
            if place < len(right) and right[place]:
                place += 1
            else:
                break
        place += 1
    return count


def similarity_columns(truth, sampled):
    columns = {"tau": TAU}
    for name, score in SIMILARITIES.items():
        similarity = getattr(truth, name)
        curve = (similarity[sampled] if name == "topk" else similarity).mean(axis=0)
        columns |= {f"similarity_{name}": curve.tolist(), score: suitability(curve)}
    low, high = extremes(truth.prompt, lambda rows: suitability(truth.logit[rows].mean(axis=0)))
    columns |= {"eas_ci_low": low, "eas_ci_high": high}
    columns["eas_normalized"] = columns["eas"] / suitability(np.ones(truth.layers))
    return columns


def layer_columns(truth, sampled):
    names = {"entropy_nats": "entropy", "kl_nats": "kl", "margin": "margin", "target_rank": "rank"}
    names |= {"max_prob": "max_prob", "prob_margin": "prob_margin"}
    columns = {column: getattr(truth, name)[sampled].mean(axis=0).tolist() for column, name in names.items()}
    return columns | {"similarity_previous": [None, *truth.previous[:, 1:].mean(axis=0).tolist()]}


EXACT, REAL = {"abs": 1e-9}, {"abs": 1e-4}
# Single precision may order tokens that are next to each other another way; a rank counts tens of thousands.
COUNTED = {"abs": 2e-3, "rel": 1e-4}


def expected(truth, tokens, config):
    """Columns and how exactly they are to be met."""
    sampled = tokens["sampled"].to_numpy()
    exact = exit_columns(truth, sampled) | half_columns(truth, sampled) | cost_columns(truth, config)
    exact |= word_columns(truth, tokens["word_position"].to_numpy())
    real = similarity_columns(truth, sampled) | layer_columns(truth, sampled)
    counted = ("target_rank", "similarity_topk", "eas_topk")
    return {name: (value, EXACT) for name, value in exact.items()} | {
        name: (value, COUNTED if name in counted else REAL) for name, value in real.items()
    }


def test_the_tokens_are_those_of_plain_generation(measured, truth):
    _, tokens = measured
    for name in ("prompt", "position", "target"):
        assert tokens[name].tolist() == getattr(truth, name).tolist()


def test_every_exit_of_every_token(measured, truth):
    _, tokens = measured
    assert np.stack(tokens["matches"]).tolist() == truth.matches.tolist()


def test_every_half_of_every_token_of_the_sample(measured, truth):
    _, tokens = measured
    sampled = tokens["sampled"]
    found = np.stack(tokens["half_matches"][sampled])
    assert found.tolist() == truth.matches_between[sampled].astype(int).tolist()


def test_every_column(measured, truth, embedded):
    row, tokens = measured
    columns = expected(truth, tokens, embedded.model.config)
    for name, (value, tolerance) in columns.items():
        if isinstance(value, list) and None in value:
            assert [entry is None for entry in row[name]] == [entry is None for entry in value], name
            pairs = [(a, b) for a, b in zip(row[name], value, strict=True) if b is not None]
            assert [a for a, _ in pairs] == pytest.approx([b for _, b in pairs], **tolerance), name
        elif value is None or (isinstance(value, list) and isinstance(value[0], str)):
            assert row[name] == value, name
        else:
            assert flat(row[name]) == pytest.approx(flat(value), **tolerance), name
    by_threshold = {f"tau_{what}_{name}" for what in ("skip_ratio", "agreement") for name in SIMILARITIES}
    gates = {name for name in row if name.startswith("gate")}
    frame = {*NOT_COMPUTED, *Setting.model_fields, *GatedMeasured.model_fields, *ClockMeasured.model_fields}
    assert set(row) == set(columns) | by_threshold | gates | frame


def flat(value):
    return (
        [part for some in value for part in some] if isinstance(value, list) and isinstance(value[0], list) else value
    )


@pytest.mark.parametrize("gate", ["margin", "saturation"])
def test_a_gate(every_token, truth, gate):
    """Threshold by threshold and token by token: chosen on one half of the prompts, judged on the other."""
    row, tokens = every_token
    # The signals of the record, which a test above holds against the definitions: thresholds lie between them.
    column = {"margin": "prob_margin", "saturation": "similarity_previous"}[gate]
    signal = np.stack(tokens[column]).astype(np.float64)[:, :-1]
    layers, even = truth.layers, truth.prompt % 2 == 0

    def exits(threshold, which):
        sure = np.concatenate([signal[which] >= threshold, np.ones((which.sum(), 1), bool)], axis=1)
        return sure.argmax(axis=1) + 1

    def kept(some, which):
        return truth.matches[which][np.arange(which.sum()), some - 1].mean()

    for number, target in enumerate(row["gate_targets"]):
        chosen = np.zeros(len(signal), int)
        for by in (even, ~even):
            best = (-1.0, np.inf)
            for threshold in [np.inf, *np.unique(signal[by][~np.isnan(signal[by])])[::-1]]:
                some = exits(threshold, by)
                skipped = float((layers - some).mean())
                if kept(some, by) >= target - 1e-12 and skipped > best[0]:
                    best = (skipped, threshold)
            chosen[~by] = exits(best[1], ~by)
        everything = np.ones(len(signal), bool)
        assert row[f"gate_{gate}_skip_ratio"][number] == pytest.approx(((layers - chosen) / layers).mean(), abs=1e-12)
        assert row[f"gate_{gate}_agreement"][number] == pytest.approx(kept(chosen, everything), abs=1e-12)
        first = first_exits(truth.matches)
        assert row[f"gate_{gate}_located"][number] == pytest.approx((chosen == first).mean(), abs=1e-12)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_every_threshold(measured, truth, name):
    """Between exits at a threshold that is a little higher and one that is a little lower, where cosines round."""
    row, tokens = measured
    rows = tokens["sampled"].to_numpy() if name == "topk" else np.full(len(tokens), True)
    similarity, matches, layers = getattr(truth, name)[rows], truth.matches[rows], truth.layers
    rounding = 1e-9 if name == "topk" else 1e-5
    certain = 0
    for index, tau in enumerate(TAU):
        exits = []
        for threshold in (tau + rounding, tau - rounding) if name != "topk" else (tau - rounding,) * 2:
            enough = similarity >= threshold
            enough[:, -1] = True
            exits.append(first_exits(enough))
        skipped = [float(((layers - some) / layers).mean()) for some in exits]
        assert skipped[0] - 1e-9 <= row[f"tau_skip_ratio_{name}"][index] <= skipped[1] + 1e-9
        if (exits[0] == exits[1]).all():
            certain += 1
            agreed = matches[np.arange(len(matches)), exits[0] - 1].mean()
            assert row[f"tau_agreement_{name}"][index] == pytest.approx(agreed, abs=1e-9)
    assert certain > len(TAU) / 2


def test_an_independent_computation_gave_the_same_exits(every_token):
    row, _ = every_token
    assert row["tokens"] == 190
    assert row["exit_layer_mean"] == pytest.approx(23.568421, abs=5e-7)
    assert row["exit_layer_settled_mean"] == pytest.approx(26.510526, abs=5e-7)


def test_the_sample_is_what_was_asked_for(every_token, some_tokens):
    assert every_token[0]["sampled_tokens"] == 190
    assert 0 < some_tokens[0]["sampled_tokens"] < 190
