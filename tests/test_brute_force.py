"""The embedded real model on HumanEval, against a computation that shares no code with the harness.

One prompt at a time: plain `generate` for the text, then one forward pass over prompt and text, and every layer's full
logits from the Llama modules themselves, in double precision from the states on.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from benchmark.hub import Hub
from benchmark.loading import load
from benchmark.prompts import load_workloads, read_prompts
from benchmark.sources import Machine, locate
from benchmark.specs import load_models

ROOT = Path(__file__).parent.parent
PROMPTS, NEW_TOKENS = 4, 48


def measure(folder, batch_size):
    """The row and the token records that the documented command writes."""
    command = [sys.executable, "-m", "pytest", "suites/", "--model-file", "models.yaml", "-p", "no:cacheprovider"]
    command += ["--model", "SmolLM2-135M-Instruct", "--workload", "humaneval", "--limit", str(PROMPTS)]
    command += ["--max-new-tokens", str(NEW_TOKENS), "--dtype", "float32", "--device", "cpu"]
    command += ["--batch-size", str(batch_size), "--results-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.rglob("*.json")
    return json.loads(path.read_text()), pq.read_table(path.with_suffix(".parquet"))


@pytest.fixture(scope="module")
def one_at_a_time(tmp_path_factory):
    return measure(tmp_path_factory.mktemp("one"), batch_size=1)


@pytest.fixture(scope="module")
def truth():
    """Per token: its prompt, and the full logits and the normed state of every layer, as lists of arrays."""
    spec = load_models(ROOT / "models.yaml")[0]
    machine = Machine(torch.device("cpu"), "float32", trust_remote_code=False)
    hub = Hub(download=False)
    loaded = load(spec, locate(spec, hub, machine), machine)
    humaneval = next(spec for spec in load_workloads() if spec.name == "humaneval")
    model, tokenizer = loaded.model, loaded.tokenizer
    head = model.lm_head.weight.double()
    tokens = []
    for number, prompt in enumerate(read_prompts(humaneval, PROMPTS, hub)):
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        text = model.generate(ids, max_new_tokens=NEW_TOKENS, do_sample=False, num_beams=1)
        states = []
        hooks = [
            layer.register_forward_hook(lambda _, __, out, to=states: to.append(out)) for layer in model.model.layers
        ]
        with torch.inference_mode():
            model(text[:, :-1], use_cache=False)
            for hook in hooks:
                hook.remove()
            normed = torch.stack([model.model.norm(state)[0, ids.shape[1] - 1 :] for state in states], dim=1)
            for state in normed:
                tokens.append((number, (state.double() @ head.T).numpy(), state.double().numpy()))
    return tokens


def test_every_column_equals_brute_force(one_at_a_time, truth):
    row, _ = one_at_a_time
    layers, alpha = row["num_layers"], row["alpha"]
    exits, settled, agree, skipped, ties = [], [], [], [], []
    curves = {name: [] for name in ("logit", "logit_raw", "hidden", "topk")}
    for _, logits, states in truth:
        predictions = [int(np.argmax(vector)) for vector in logits]
        same = [token == predictions[-1] for token in predictions]
        exits.append(1 + same.index(True))
        settled.append(min(layer for layer in range(1, layers + 1) if all(same[layer - 1 :])))
        agree.append(same)
        top = np.sort(logits[-1])[-2:]
        ties.append(top[0] == top[1])
        centred = logits - logits.mean(axis=1, keepdims=True)
        best = [set(np.argpartition(vector, -10)[-10:]) for vector in logits]
        curves["logit"].append([cosine(vector, centred[-1]) for vector in centred])
        curves["logit_raw"].append([cosine(vector, logits[-1]) for vector in logits])
        curves["hidden"].append([cosine(state, states[-1]) for state in states])
        curves["topk"].append([len(tokens & best[-1]) / 10 for tokens in best])
    skipped = [(layers - layer) / layers for layer in exits]

    assert row["tokens"] == len(truth)
    assert row["exit_layer_mean"] == pytest.approx(np.mean(exits), abs=1e-9)
    assert row["exit_layer_settled_mean"] == pytest.approx(np.mean(settled), abs=1e-9)
    assert row["skip_ratio"] == pytest.approx(np.mean(skipped), abs=1e-9)
    assert row["skip_ratio_settled"] == pytest.approx(np.mean([(layers - s) / layers for s in settled]), abs=1e-9)
    assert row["speedup_bound_layers"] == pytest.approx(layers / np.mean(exits), abs=1e-9)
    assert row["tie_rate"] == np.mean(ties)
    assert row["agreement"] == pytest.approx(np.mean(agree, axis=0).tolist(), abs=1e-9)
    assert row["exit_share"] == pytest.approx([exits.count(layer) / len(exits) for layer in range(1, layers + 1)])
    for name, score in [("logit", "eas"), ("logit_raw", "eas_raw"), ("hidden", "eas_hidden"), ("topk", "eas_topk")]:
        curve = np.mean(curves[name], axis=0)
        assert row[f"similarity_{name}"] == pytest.approx(curve.tolist(), abs=1e-4)
        assert row[score] == pytest.approx(suitability(curve, alpha), abs=1e-4)
    assert row["eas_normalized"] == pytest.approx(row["eas"] / suitability(np.ones(layers), alpha), abs=1e-4)


def test_interval_resamples_prompts(one_at_a_time, truth):
    row, table = one_at_a_time
    per_prompt = [[] for _ in range(PROMPTS)]
    for (number, _, _), layer in zip(truth, first_exits(table), strict=True):
        per_prompt[number].append((row["num_layers"] - layer) / row["num_layers"])
    rng = np.random.default_rng(12345)
    draws = [np.concatenate([per_prompt[i] for i in rng.integers(PROMPTS, size=PROMPTS)]).mean() for _ in range(4000)]
    assert row["skip_ratio_ci_low"] == pytest.approx(np.quantile(draws, 0.025), abs=0.005)
    assert row["skip_ratio_ci_high"] == pytest.approx(np.quantile(draws, 0.975), abs=0.005)


def test_an_independent_computation_gave_the_same_exits(one_at_a_time):
    row, _ = one_at_a_time
    assert row["tokens"] == 190
    assert row["exit_layer_mean"] == pytest.approx(23.568421, abs=5e-7)
    assert row["exit_layer_settled_mean"] == pytest.approx(26.510526, abs=5e-7)


def test_exits_do_not_depend_on_the_batch_size(one_at_a_time, tmp_path):
    _, expected = one_at_a_time
    row, found = measure(tmp_path, batch_size=4)
    assert row["batch_size"] == 4
    for column in ("prompt", "position", "predictions"):
        assert found[column].to_pylist() == expected[column].to_pylist()


def cosine(a, b):
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def suitability(curve, alpha):
    layers = len(curve)
    terms = [max(s, 0) ** alpha * ((layers - i) / layers) ** (1 - alpha) for i, s in enumerate(curve, start=1)]
    return sum(terms) / layers


def first_exits(table):
    return [1 + tokens.index(tokens[-1]) for tokens in table["predictions"].to_pylist()]
