"""Lossless early exit: how many rounds self-speculation takes, and what it reads, known from the matches alone.

The first E layers draft γ tokens with the model's own readout, one pass of the whole model checks them, and drafts
count up to the first that is not the full model's token (LayerSkip, arXiv 2404.16710). Layers 1..E never see what
deeper ones did, and the text is the full model's, so the drafts are the exit's tokens of the trace.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.trace.costs import Costs

DRAFT_LENGTHS = (1, 2, 3, 4, 6, 8)
"""γ, the tokens of a draft, that are tried."""


class Rounds(NamedTuple):
    """What speculation takes for each text: P texts × L exit layers × G draft lengths."""

    texts: NDArray[np.int64]
    """P: numbers of the prompts, ascending."""
    tokens: NDArray[np.int64]
    """P: tokens of each text."""
    rounds: NDArray[np.int64]
    """P × L × G: passes of the whole model."""
    rejections: NDArray[np.int64]
    """P × L × G: rounds that threw a draft away."""


def rounds(matches: NDArray[np.bool_], prompt: NDArray[np.integer], draft_lengths: tuple[int, ...]) -> Rounds:
    """Count the rounds of self-speculation, text by text.

    From position i on, k is the number of consecutive matches of layer E, at most γ; the round gives min(k + 1, T − i)
    tokens of a text of T.

    Args:
        matches: tokens × L; those of one prompt in the order of its text.
        prompt: tokens, the prompt each belongs to.
        draft_lengths: γ, each at least 1.
    """
    order = np.argsort(prompt, kind="stable")
    matches = matches[order]
    texts, start, tokens = np.unique(prompt[order], return_index=True, return_counts=True)
    length, layers = matches.shape
    end = np.repeat(start + tokens, tokens)[:, None]
    place = np.arange(length)[:, None]
    # Of each token, the next one of its text that the layer has wrong, or the end of the text.
    wrong = np.minimum.accumulate(np.where(matches, length, place)[::-1])[::-1]
    # One more token, where texts that have ended wait.
    run = np.concatenate([np.minimum(wrong, end) - place, np.zeros((1, layers), np.int64)])
    most = np.array(draft_lengths)
    position = np.broadcast_to(start[:, None, None], (len(texts), layers, len(most)))
    last = (start + tokens)[:, None, None]
    layer = np.arange(layers)[None, :, None]
    taken, rejected = np.zeros(position.shape, np.int64), np.zeros(position.shape, np.int64)
    while (going := position < last).any():
        accepted = np.minimum(run[np.where(going, position, length), layer], most)
        taken += going
        rejected += going & (accepted < most) & (position + accepted < last)
        position = np.where(going, position + accepted + 1, position)
    return Rounds(texts, tokens, taken, rejected)


@dataclass(frozen=True)
class RoundBytes:
    """Parameter bytes that speculation reads at batch 1, of each exit layer 1..L and draft length: L × G."""

    shared: NDArray[np.float64]
    """A round in which draft and check share one cache, as in LayerSkip."""
    unshared: NDArray[np.float64]
    """A round in which the check computes the first layers again, as in transformers."""
    rollback: NDArray[np.float64]
    """More of a round that threw a draft away: recurrent layers update their states once more, from a copy."""
    rollback_unshared: NDArray[np.float64]
    """The same where the draft has states of its own."""
    token: float
    """One token without speculation."""


def round_bytes(costs: Costs, draft_lengths: tuple[int, ...]) -> RoundBytes | None:
    """Return what rounds read; None where it is not known what updates a recurrent state.

    With C(a..b) of layers, M of the embedding, H of the head, and a check of γ + 1 tokens that reads of experts
    min(all, γ + 1 times the active ones): shared (γ+1)·(C(1..E) + M + H) + C(E+1..L), unshared
    γ·(C(1..E) + M + H) + C(1..L) + M + H.
    """
    owed = [layer.owed_bytes if "recurrent" in layer.mixer else 0 for layer in costs.layers]
    if None in owed:
        return None
    other = costs.embedding_bytes + costs.head_bytes
    most = np.array(draft_lengths)
    draft = np.cumsum([layer.weight_bytes for layer in costs.layers])[:, None] + other
    checked = np.array([[layer.bytes_of(length + 1) for length in draft_lengths] for layer in costs.layers])
    deeper = checked[::-1].cumsum(axis=0)[::-1] - checked
    states = np.cumsum(np.array(owed, np.float64))[:, None]
    return RoundBytes(
        shared=(most + 1.0) * draft + deeper,
        unshared=most * 1.0 * draft + checked.sum(axis=0) + other,
        rollback=np.broadcast_to(states[-1], checked.shape),
        rollback_unshared=states[-1] + np.broadcast_to(states, checked.shape),
        token=float(costs.token_bytes),
    )
