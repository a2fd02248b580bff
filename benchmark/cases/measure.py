"""Prompts on a loaded model → a capture, and what a row needs to know of how it was made."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from benchmark.cases.identity import Asked
from benchmark.decoding.buffer import Capture, Progress
from benchmark.decoding.engine import Limits
from benchmark.decoding.proof import Again, capture_proven
from benchmark.decoding.tokenize import encode
from benchmark.errors import MeasurementError
from benchmark.models import hardware
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.costs import architecture, cost_columns


@dataclass(frozen=True)
class Measurement:
    """A capture, and how it was made."""

    capture: Capture
    prompts: int
    """Prompts that were measured."""
    prompts_left_out: int
    """Prompts that have no tokens or do not fit the context."""
    prompt_ids_sha256: str
    """Of the token ids of the prompts that were measured."""
    chat_template: bool
    with_cache: bool
    again: Again
    """What came of reading some of the texts again."""
    peak_memory_bytes: int


def measure(loaded: LoadedModel, asked: Asked, progress: Progress) -> Measurement:
    """Run every prompt that fits and record every exit.

    Args:
        loaded: the model.
        asked: prompts, and how they are run.
        progress: told after every step.

    Raises:
        MeasurementError: no prompt fits the context, the logits are NaN, K is larger than the vocabulary, or memory ran
            out.
    """
    chat = asked.chat and loaded.tokenizer.chat_template is not None
    encoded = encode(loaded.tokenizer, asked.prompts, chat)
    kept = _fitting(loaded, encoded, asked.max_new_tokens)
    fitting = [encoded[number] for number in kept]
    progress(0, len(encoded) - len(fitting))
    hardware.reset_peak_memory(loaded.device)
    limits = Limits(asked.max_new_tokens, asked.batch_size)
    try:
        proven = capture_proven(loaded, fitting, limits, asked.sampling, progress)
    except torch.OutOfMemoryError:
        raise MeasurementError(
            f"memory ran out at batch size {asked.batch_size}; use a smaller one", "batch_size"
        ) from None
    captured = proven.capture
    in_workload = replace(captured.trace, prompt=np.array(kept)[captured.trace.prompt])
    return Measurement(
        capture=replace(captured, trace=in_workload),
        prompts=len(fitting),
        prompts_left_out=len(encoded) - len(fitting),
        prompt_ids_sha256=hashlib.sha256(json.dumps(fitting).encode()).hexdigest(),
        chat_template=chat,
        again=proven.again,
        with_cache=proven.model.with_cache and loaded.task != "masked",
        peak_memory_bytes=hardware.peak_memory(loaded.device),
    )


def measured_columns(measurement: Measurement, loaded: LoadedModel) -> dict[str, Any]:
    """The columns of a row that are known once the model has run, whatever is then made of its trace."""
    capture = measurement.capture
    return {
        "architecture": architecture(loaded.task, loaded.costs) if loaded.costs else None,
        "parameters": loaded.costs.parameters if loaded.costs else loaded.num_parameters,
        "active_parameters": loaded.costs.active_parameters if loaded.costs else None,
        "num_layers": loaded.anatomy.num_layers,
        "vocab_size": loaded.readout.vocab_size,
        "dtype": loaded.dtype,
        "batch_size": capture.batch_size,
        "prompts": measurement.prompts,
        "prompts_left_out": measurement.prompts_left_out,
        "prompt_ids_sha256": measurement.prompt_ids_sha256,
        "tokens": capture.trace.num_tokens,
        "sampled_tokens": int(capture.trace.sampled.sum()),
        "with_cache": measurement.with_cache,
        "reread_tokens": measurement.again.tokens,
        "reread_differing": measurement.again.differing,
        "chat_template": measurement.chat_template,
        "generate_seconds": capture.generate_seconds,
        "oracle_seconds": capture.oracle_seconds,
        "peak_memory_bytes": measurement.peak_memory_bytes,
        **cost_columns(loaded.costs),
    }


def _fitting(loaded: LoadedModel, encoded: Sequence[Sequence[int]], max_new_tokens: int) -> list[int]:
    """Numbers of the prompts that fit the model's context together with what is generated."""
    context = loaded.context or math.inf
    # What an encoder reads and what a decoder then writes do not share a context.
    new_tokens = max_new_tokens if loaded.task == "causal" else 0
    if loaded.task == "encoder-decoder" and max_new_tokens > context:
        raise MeasurementError(
            f"the decoder has {loaded.context} positions, fewer than the {max_new_tokens} new tokens; "
            "use fewer new tokens",
            "max_new_tokens",
        )
    # The last new token is never fed back.
    kept = [number for number, ids in enumerate(encoded) if ids and len(ids) + max(new_tokens - 1, 0) <= context]
    if not kept:
        raise MeasurementError(
            f"none of the {len(encoded)} prompts, with {new_tokens} new tokens, fits the model's context "
            f"of {loaded.context} tokens; use fewer new tokens or a model with a longer context",
            "max_new_tokens",
        )
    return kept
