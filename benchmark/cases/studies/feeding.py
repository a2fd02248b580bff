"""From the prompts of a case to the token ids that a model is fed, and how its failures are told."""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from benchmark.cases.identity import Asked
from benchmark.decoding.engine import Limits
from benchmark.decoding.text.continuation import continuation_ids
from benchmark.decoding.text.tokenize import TODAY, asks_for_date, encode
from benchmark.errors import MeasurementError
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.costs import architecture, cost_columns


@dataclass(frozen=True)
class Fed:
    """The prompts of a case that fit the model, as it is fed them."""

    ids: dict[int, list[int]]
    """Token ids, by the number of the prompt in the workload, in rising order."""
    texts: dict[int, list[int]] | None
    """Token ids of the text that was given behind each; None where the model writes it."""
    left_out: int
    """Prompts that have no tokens or do not fit the context."""
    chat_template: bool
    template_date: str | None
    """The date that the chat template was told is today; None if it asks for none."""
    asked: Asked

    @property
    def prompts(self) -> list[list[int]]:
        """Token ids of each prompt."""
        return list(self.ids.values())

    @property
    def given(self) -> list[list[int]] | None:
        """Token ids of the text behind each prompt; None where the model writes it."""
        return None if self.texts is None else list(self.texts.values())

    @property
    def limits(self) -> Limits:
        """How much is decoded behind them."""
        stops = tuple(self.asked.prompts[number].stop for number in self.ids)
        return Limits(self.asked.max_new_tokens, self.asked.batch_size, stops if any(stops) else ())

    def only(self, numbers: Sequence[int]) -> "Fed":
        """Return some of the prompts; those of the other numbers count as not asked for."""
        chosen = {number: self.ids[number] for number in numbers}
        texts = None if self.texts is None else {number: self.texts[number] for number in numbers}
        return Fed(chosen, texts, self.left_out, self.chat_template, self.template_date, self.asked)

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of a row that say what was fed."""
        return {
            "prompts": len(self.ids),
            "prompts_left_out": self.left_out,
            "prompt_ids_sha256": hashlib.sha256(json.dumps(self.prompts).encode()).hexdigest(),
            "chat_template": self.chat_template,
            "template_date": self.template_date,
        }


def feed(loaded: LoadedModel, asked: Asked) -> Fed:
    """Return the prompts that fit a model, and the texts that were given behind them.

    Args:
        loaded: the model.
        asked: prompts, and how they are run.

    Raises:
        MeasurementError: a prompt or a text cannot be encoded, or none fits the context.
    """
    chat = asked.chat and loaded.tokenizer.chat_template is not None
    ends = loaded.end_ids if loaded.task == "causal" else frozenset[int]()
    encoded = encode(loaded.tokenizer, asked.prompts, chat, ends)
    _refuse_unembedded(loaded, asked, encoded)
    texts = _continued(loaded, asked, encoded) if asked.given else None
    most = [asked.max_new_tokens] * len(encoded) if texts is None else [len(text) for text in texts]
    kept = _fitting(loaded, encoded, most)
    return Fed(
        ids={number: encoded[number] for number in kept},
        texts=None if texts is None else {number: texts[number] for number in kept},
        left_out=len(encoded) - len(kept),
        chat_template=chat,
        template_date=TODAY.isoformat() if chat and asks_for_date(loaded.tokenizer) else None,
        asked=asked,
    )


@contextmanager
def failures_told(fed: Fed) -> Iterator[None]:
    """Inside the block a model runs; what it fails with becomes a line that names the longest prompt.

    Raises:
        MeasurementError: the model failed, or memory ran out.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise MeasurementError(
            f"memory ran out at batch size {fed.asked.batch_size}; use a smaller one", "batch_size"
        ) from None
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        longest = max(fed.ids, key=lambda number: len(fed.ids[number]))
        raise MeasurementError(
            f"the model fails on the prompts, of which {fed.asked.prompts[longest].id} is the longest with "
            f"{len(fed.ids[longest])} tokens: {type(error).__name__}: {' '.join(str(error).split())[:150]}"
        ) from error


def model_columns(loaded: LoadedModel) -> dict[str, Any]:
    """Return the columns of a row that say which model ran, and what a token costs in it."""
    return {
        "architecture": architecture(loaded.task, loaded.costs) if loaded.costs else None,
        "parameters": loaded.costs.parameters if loaded.costs else loaded.num_parameters,
        "active_parameters": loaded.costs.active_parameters if loaded.costs else None,
        "num_layers": loaded.anatomy.num_layers,
        "vocab_size": loaded.readout.vocab_size,
        "dtype": loaded.dtype,
        "stored_as": loaded.stored_as,
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


def _continued(loaded: LoadedModel, asked: Asked, encoded: list[list[int]]) -> list[list[int]]:
    """Return the token ids of the texts that were given, as many as are looked at.

    A text with nothing before it begins with a token that nothing predicts; it goes to the prompt.
    """
    texts = []
    for number, prompt in enumerate(asked.prompts):
        text = continuation_ids(loaded, prompt, encoded[number])
        if not encoded[number]:
            encoded[number], text = text[:1], text[1:]
        if not text:
            raise MeasurementError(f"prompt {prompt.id}: its text is one token, which nothing predicts; leave it out")
        texts.append(text[: asked.max_new_tokens])
    return texts


def _fitting(loaded: LoadedModel, encoded: Sequence[Sequence[int]], new_tokens: Sequence[int]) -> list[int]:
    """Numbers of the prompts that fit the model's context together with the new tokens behind each."""
    context = loaded.context or math.inf
    # What an encoder reads and what a decoder then writes do not share a context.
    causal = loaded.task == "causal"
    room = (loaded.encoder_context or math.inf) if loaded.task == "encoder-decoder" else context
    if loaded.task == "encoder-decoder" and max(new_tokens) > context:
        raise MeasurementError(
            f"the decoder has {loaded.context} positions, fewer than the {max(new_tokens)} new tokens; "
            "use fewer new tokens",
            "max_new_tokens",
        )
    # The last new token is never fed back.
    behind = [max(new - 1, 0) if causal else 0 for new in new_tokens]
    kept = [number for number, ids in enumerate(encoded) if ids and len(ids) + behind[number] <= room]
    if not kept:
        most = max(new_tokens) if causal else 0
        raise MeasurementError(
            f"none of the {len(encoded)} prompts, with {most} new tokens, fits the model's context "
            f"of {room} tokens; use fewer new tokens or a model with a longer context",
            "max_new_tokens",
        )
    return kept
