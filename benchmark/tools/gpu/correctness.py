"""Tiny random models of every kind, on the device against on the CPU: the same weights, the same prompts.

In float32 nothing may differ but the last digits. In 16 bit equal logits fall either way, so shares are told.
"""

import time
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from benchmark.decoding.buffer import capture
from benchmark.decoding.engine import Engine, Limits
from benchmark.decoding.engines.fill_masks import Masked
from benchmark.decoding.engines.given_text import GivenText
from benchmark.decoding.prepare import prepare
from benchmark.decoding.proven import Proven, capture_proven
from benchmark.metrics.exits import first_match, settled
from benchmark.models import hardware
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.gpu.agreement import agreement
from benchmark.tools.gpu.journal import Figures
from benchmark.tools.gpu.sizes import Sizes
from benchmark.tools.tiny_models import VOCABULARY, tiny_model, tiny_tokenizer
from benchmark.trace.costs import Task, architecture
from benchmark.trace.record import Trace
from benchmark.trace.sample import Sampling

KINDS: dict[str, tuple[str, Task, dict[str, bool]]] = {
    "llama": ("llama", "causal", {"tie_word_embeddings": True}),
    "gemma2": ("gemma2", "causal", {}),  # caps its logits; every other layer has a window
    "mixtral": ("mixtral", "causal", {}),
    "mamba": ("mamba", "causal", {}),
    "jamba": ("jamba", "causal", {}),
    "t5": ("t5", "encoder-decoder", {}),
    "bert": ("bert", "masked", {}),
    "gpt2": ("gpt2", "causal", {}),
}
"""Model type, how it is run, and what its config is changed to."""
COMPILED = ("llama", "gemma2", "mixtral", "gpt2")
"""Those whose steps may be compiled, where they are causal."""
_SAMPLING = Sampling(tokens=None, top_k=5, signals="all")


def correctness(kind: str, device: torch.device, sizes: Sizes, figures: Figures) -> None:
    """Fill in how far exits on a device agree with those on the CPU, batches with prompts alone, and 16 bit with 32."""
    model_type, task, changes = KINDS[kind]
    torch.set_float32_matmul_precision("highest")
    model = tiny_model(model_type, task, **changes)
    on_device = deepcopy(model).to(device)
    narrow = deepcopy(model).to(device, torch.bfloat16)
    prompts = prompts_of(sizes.prompts)
    cpu = _prepared(model, task, figures, "cpu")
    there = _prepared(on_device, task, figures, "device")
    # Where the step that they are read off fails, they are unknown, and nothing else is told.
    figures["costs_equal"] = cpu.costs == there.costs
    reference = _capture(cpu, prompts, sizes.new_tokens, 1)
    alone = _capture(there, prompts, sizes.new_tokens, 1)
    figures["device_against_cpu"] = agreement(reference.capture.trace, alone.capture.trace)
    together = _capture(there, prompts, sizes.new_tokens, len(prompts))
    figures["batch_against_alone"] = agreement(alone.capture.trace, together.capture.trace)
    figures["batch"] = together.capture.batch_size
    figures["reread_differing"] = [one.again.differing for one in (reference, alone, together)]
    low = _prepared(narrow, task, figures, "bfloat16")
    figures["bfloat16_against_float32"] = _shares(there, low, prompts, alone.capture.trace, sizes.new_tokens)


def two_phases(kind: str, device: torch.device, sizes: Sizes, figures: Figures) -> None:
    """Fill in how far two phases agree with decoding step by step, and how many tokens are others when read."""
    model_type, task, changes = KINDS[kind]
    torch.set_float32_matmul_precision("highest")
    model = tiny_model(model_type, task, **changes)
    prompts, limits = prompts_of(sizes.prompts), Limits(sizes.new_tokens, sizes.prompts // 2)
    for dtype in (torch.float32, torch.bfloat16):
        loaded = prepare(deepcopy(model).to(device, dtype), tiny_tokenizer(), task)
        steps = capture_proven(loaded, prompts, limits, _SAMPLING).capture.trace
        start = time.perf_counter()
        phases = capture_proven(loaded, prompts, limits, _SAMPLING, in_two_phases=True)
        trace = phases.capture.trace
        figures[str(dtype).removeprefix("torch.")] = {
            "seconds": time.perf_counter() - start,
            "in_two_phases": phases.in_two_phases,
            "reread_differing": phases.again.differing,
            "not_argmax_share": _share(trace.token, trace.target),
            "against_step_by_step": agreement(steps, trace),
        }


def prompts_of(count: int) -> list[list[int]]:
    """Return random token ids: `count` prompts, all of other lengths, around the windows of tiny models and beyond."""
    rng = np.random.default_rng(0)
    return [rng.integers(4, VOCABULARY, 3 + 5 * number).tolist() for number in range(count)]


def _prepared(model: PreTrainedModel, task: Task, figures: Figures, name: str) -> LoadedModel:
    start = time.perf_counter()
    loaded = prepare(model, tiny_tokenizer(), task)
    hardware.synchronize(loaded.device)
    figures[name] = {
        "proof_seconds": time.perf_counter() - start,
        "kind": architecture(task, loaded.costs) if loaded.costs else "unknown",
        "batchable": loaded.batchable,
        "with_cache": loaded.with_cache,
        "halves": sum(half is not None for half in loaded.halves),
        "linear_head": loaded.readout.head is not None,
    }
    return loaded


def _capture(loaded: LoadedModel, prompts: list[list[int]], new_tokens: int, batch: int) -> Proven:
    return capture_proven(loaded, prompts, Limits(new_tokens, batch), _SAMPLING)


def _shares(
    wide: LoadedModel, narrow: LoadedModel, prompts: list[list[int]], trace: Trace, new_tokens: int
) -> dict[str, float]:
    """Let both models read the text of a trace, so that every token has its like."""
    rows = [trace.prompt == number for number in range(len(prompts))]

    def read(loaded: LoadedModel) -> Trace:
        engine: Engine = GivenText([trace.target[mine].tolist() for mine in rows])
        if loaded.task == "masked":
            engine = Masked([trace.position[mine].astype(np.int64) for mine in rows])
        return capture(engine, loaded, prompts, Limits(new_tokens, 1), _SAMPLING).trace

    one, other = read(wide), read(narrow)
    exits = {"first_match": first_match, "settled": settled}
    return {
        "tokens": float(one.num_tokens),
        "tokens_differing": _share(one.target, other.target),
        **{f"{name}_differing": _share(of(one.matches), of(other.matches)) for name, of in exits.items()},
        "matches_differing": _share(one.matches, other.matches),
        "similarity_gap": float(np.abs(one.similarity_logit - other.similarity_logit).max()),
    }


def _share(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    return float((one != other).mean())
