"""Self-speculation by transformers: the first layers draft, the whole model checks, and the text is the same."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.generation.candidate_generator import EarlyExitCandidateGenerator

from benchmark.readout.loaded_model import LoadedModel


def plain_text(model: LoadedModel, prompt: Sequence[int], max_new_tokens: int, **given: Any) -> list[int]:
    """Return what `generate` writes behind a prompt, up to and including the first end of text.

    Args:
        model: a causal model.
        prompt: token ids.
        max_new_tokens: tokens at most.
        given: what else `generate` is told.
    """
    ids = torch.tensor([list(prompt)], device=model.device)
    with torch.inference_mode():
        out = model.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=max_new_tokens, **given)
    written = out[0, len(prompt) :].tolist()
    ends = [place for place, token in enumerate(written) if token in model.end_ids]
    return written[: ends[0] + 1] if ends else written


def drafted_text(
    model: LoadedModel, prompt: Sequence[int], max_new_tokens: int, exit_layer: int, draft_length: int
) -> tuple[list[int], int]:
    """Return what self-speculation writes behind a prompt, and how many rounds it takes.

    Args:
        model: a causal model for which transformers' `assistant_early_exit` has an effect.
        prompt: token ids.
        max_new_tokens: tokens at most.
        exit_layer: E, layers that draft.
        draft_length: γ, tokens of a draft.
    """
    with drafts(model.model, draft_length) as drafted:
        text = plain_text(model, prompt, max_new_tokens, assistant_early_exit=exit_layer)
    return text, len(drafted)


@contextmanager
def drafts(model: PreTrainedModel, length: int) -> Iterator[list[int]]:
    """Inside the block drafts are of this length; the list gets an entry for each."""
    config = model.generation_config
    settings = {
        "num_assistant_tokens": length,
        "num_assistant_tokens_schedule": "constant",
        "assistant_confidence_threshold": 0.0,
    }
    before = {name: getattr(config, name) for name in settings}
    drafted: list[int] = []
    draft = EarlyExitCandidateGenerator.get_candidates

    def counted(self: EarlyExitCandidateGenerator, ids: torch.Tensor, **given: Any) -> Any:
        candidates = draft(self, ids, **given)
        drafted.append(candidates[0].shape[1] - ids.shape[1])
        return candidates

    EarlyExitCandidateGenerator.get_candidates = counted
    try:
        for name, value in settings.items():
            setattr(config, name, value)
        yield drafted
    finally:
        EarlyExitCandidateGenerator.get_candidates = draft
        for name, value in before.items():
            setattr(config, name, value)
