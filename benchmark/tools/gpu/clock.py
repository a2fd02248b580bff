"""The clock on the device: replays of tiny random models, and what half of the layers of a large one are worth."""

import statistics

import numpy as np
import torch

from benchmark.clock.proof import prove_deferred
from benchmark.clock.recording import plain_seconds
from benchmark.clock.replay import Replay
from benchmark.clock.stopwatch import in_turns, seconds
from benchmark.decoding.engine import Limits
from benchmark.decoding.prepare import prepare
from benchmark.decoding.proven import capture_proven
from benchmark.errors import MeasurementError
from benchmark.tools.gpu.correctness import KINDS, prompts_of
from benchmark.tools.gpu.journal import Figures
from benchmark.tools.gpu.sizes import Sizes
from benchmark.tools.gpu.speed import Subject
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.sample import Sampling

REPLAYED = ("llama", "gemma2", "mixtral", "mamba", "jamba", "t5", "gpt2")
"""Tiny models that are replayed."""
_PROMPTS = 4


def replayed(kind: str, device: torch.device, sizes: Sizes, figures: Figures) -> None:
    """Fill in how many tokens of replays are not the text's, and whether deferred decoding is proven."""
    model_type, task, changes = KINDS[kind]
    torch.set_float32_matmul_precision("highest")
    model = prepare(tiny_model(model_type, task, **changes).to(device), tiny_tokenizer(), task)
    prompts = prompts_of(min(sizes.prompts, _PROMPTS))
    if model.recurrent or not model.batchable:
        prompts = prompts[:1]
    trace = capture_proven(model, prompts, Limits(sizes.new_tokens, len(prompts)), Sampling(1, 1)).capture.trace
    texts = [trace.target[trace.prompt == number].tolist() for number in range(len(prompts))]
    replay = Replay(model, prompts, texts)
    exits = np.zeros(replay.texts.shape, np.int64)
    for number, text in enumerate(texts):
        exits[number, : len(text) - 1] = trace.matches[trace.prompt == number][1:].argmax(axis=1) + 1
    with replay.running():
        figures["faithful"] = replay.faithful()
        figures["tokens"] = int((exits > 0).sum())
        figures["differing"] = int((~replay.same(replay.run(exits))).sum())
        figures["leave_alone"] = replay.can_leave_alone(exits)
    try:
        prove_deferred(model)
        figures["deferred"] = "proven"
    except MeasurementError as error:
        figures["deferred"] = str(error)


def half_depth(subject: Subject, count: int, figures: Figures) -> None:
    """Fill in the seconds of a step: plain `generate`, a replay with all layers, and one with half of them.

    Exits of random weights mean nothing, so every token leaves in the middle.
    """
    model, tokens = subject.loaded, subject.new_tokens
    prompts = subject.prompts(count)
    new = subject.plain(count, tokens).tolist()
    replay = Replay(model, prompts, new)
    layers = model.anatomy.num_layers
    last = np.full(replay.texts.shape, layers)
    with replay.running():
        figures["faithful"] = replay.faithful()

    def timed(exits: np.ndarray) -> float:
        with replay.running():
            return seconds(lambda: replay.run(exits), model.device)[0]

    taken = in_turns(
        {
            "generate": lambda: plain_seconds(model, prompts, tokens),
            "all": lambda: timed(last),
            "half": lambda: timed(last // 2),
        },
        subject.sizes.rounds,
        warm_up=not subject.sizes.tiny,
    )
    middle = {name: statistics.median(times) for name, times in taken.items()}
    figures |= {f"{name}_ms_per_step": 1000 * time / replay.steps for name, time in middle.items()}
    figures["replay_overhead"] = middle["all"] / middle["generate"]
    figures["replay_speedup"] = middle["all"] / middle["half"]
    if model.costs is not None:
        read = [layer.weight_bytes for layer in model.costs.layers]
        other = model.costs.embedding_bytes + model.costs.head_bytes
        figures["bound"] = (other + sum(read)) / (other + sum(read[: layers // 2]))
