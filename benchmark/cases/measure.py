"""Prompts on a loaded model → a capture, and what a row needs to know of how it was made."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from benchmark.cases.answers import Scores, answers_of, score_answers
from benchmark.cases.identity import Asked
from benchmark.decoding.buffer import Capture, Progress
from benchmark.decoding.engine import Limits
from benchmark.decoding.proof import Again, capture_proven
from benchmark.decoding.text.tokenize import TODAY, asks_for_date, encode
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
    template_date: str | None
    """The date that the chat template was told is today; None if it asks for none."""
    with_cache: bool
    again: Again
    """What came of reading some of the texts again."""
    scores: Scores
    """What the answers are worth; the trace has them, too."""
    peak_memory_bytes: int


def measure(loaded: LoadedModel, asked: Asked, progress: Progress) -> Measurement:
    """Run every prompt that fits, record every exit, and score the answers.

    Args:
        loaded: the model.
        asked: prompts, and how they are run.
        progress: told after every step.

    Raises:
        MeasurementError: no prompt fits the context, the logits are NaN, K is larger than the vocabulary, or memory ran
            out.
    """
    chat = asked.chat and loaded.tokenizer.chat_template is not None
    ends = loaded.end_ids if loaded.task == "causal" else frozenset[int]()
    encoded = encode(loaded.tokenizer, asked.prompts, chat, ends)
    _refuse_unembedded(loaded, asked, encoded)
    kept = _fitting(loaded, encoded, asked.max_new_tokens)
    fitting = [encoded[number] for number in kept]
    progress(0, len(encoded) - len(fitting))
    hardware.reset_peak_memory(loaded.device)
    stops = tuple(asked.prompts[number].stop for number in kept)
    limits = Limits(asked.max_new_tokens, asked.batch_size, stops if any(stops) else ())
    try:
        proven = capture_proven(loaded, fitting, limits, asked.sampling, progress)
    except torch.OutOfMemoryError:
        raise MeasurementError(
            f"memory ran out at batch size {asked.batch_size}; use a smaller one", "batch_size"
        ) from None
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        longest = max(kept, key=lambda number: len(encoded[number]))
        raise MeasurementError(
            f"the model fails on the prompts, of which {asked.prompts[longest].id} is the longest with "
            f"{len(encoded[longest])} tokens: {type(error).__name__}: {' '.join(str(error).split())[:150]}"
        ) from error
    captured = proven.capture
    in_workload = replace(captured.trace, prompt=np.array(kept)[captured.trace.prompt])
    scores = score_answers(asked, answers_of(loaded, asked, dict(zip(kept, fitting, strict=True)), in_workload))
    scored = replace(in_workload, score=scores.at_ends(in_workload.prompt))
    return Measurement(
        capture=replace(captured, trace=scored),
        prompts=len(fitting),
        prompts_left_out=len(encoded) - len(fitting),
        prompt_ids_sha256=hashlib.sha256(json.dumps(fitting).encode()).hexdigest(),
        chat_template=chat,
        template_date=TODAY.isoformat() if chat and asks_for_date(loaded.tokenizer) else None,
        again=proven.again,
        scores=scores,
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
        "stored_as": loaded.stored_as,
        "batch_size": capture.batch_size,
        "prompts": measurement.prompts,
        "prompts_left_out": measurement.prompts_left_out,
        "prompt_ids_sha256": measurement.prompt_ids_sha256,
        "tokens": capture.trace.num_tokens,
        "sampled_tokens": int(capture.trace.sampled.sum()),
        "signal_tokens": len(capture.trace.predictions),
        "with_cache": measurement.with_cache,
        "reread_tokens": measurement.again.tokens,
        "reread_differing": measurement.again.differing,
        "score_errors": measurement.scores.errors,
        "score_missing": measurement.scores.missing,
        "chat_template": measurement.chat_template,
        "template_date": measurement.template_date,
        "generate_seconds": capture.generate_seconds,
        "oracle_seconds": capture.oracle_seconds,
        "peak_memory_bytes": measurement.peak_memory_bytes,
        **cost_columns(loaded.costs),
    }


def _refuse_unembedded(loaded: LoadedModel, asked: Asked, encoded: Sequence[Sequence[int]]) -> None:
    """Make sure that the model has an embedding for every token of the prompts."""
    embedded = loaded.model.get_input_embeddings()
    rows = getattr(embedded, "num_embeddings", math.inf)
    for prompt, ids in zip(asked.prompts, encoded, strict=True):
        if ids and max(ids) >= rows:
            raise MeasurementError(
                f"prompt {prompt.id}: token {max(ids)} is beyond the {rows} embeddings of the model; the tokenizer "
                "belongs to another model"
            )


def _fitting(loaded: LoadedModel, encoded: Sequence[Sequence[int]], max_new_tokens: int) -> list[int]:
    """Numbers of the prompts that fit the model's context together with what is generated."""
    context = loaded.context or math.inf
    # What an encoder reads and what a decoder then writes do not share a context.
    new_tokens = max_new_tokens if loaded.task == "causal" else 0
    room = (loaded.encoder_context or math.inf) if loaded.task == "encoder-decoder" else context
    if loaded.task == "encoder-decoder" and max_new_tokens > context:
        raise MeasurementError(
            f"the decoder has {loaded.context} positions, fewer than the {max_new_tokens} new tokens; "
            "use fewer new tokens",
            "max_new_tokens",
        )
    # The last new token is never fed back.
    kept = [number for number, ids in enumerate(encoded) if ids and len(ids) + max(new_tokens - 1, 0) <= room]
    if not kept:
        raise MeasurementError(
            f"none of the {len(encoded)} prompts, with {new_tokens} new tokens, fits the model's context "
            f"of {room} tokens; use fewer new tokens or a model with a longer context",
            "max_new_tokens",
        )
    return kept
