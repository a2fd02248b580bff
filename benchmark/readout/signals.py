"""What a real gate can see at an exit: how sure its distribution is, which token it names, how much the state moved.

p = softmax(z_ℓ) in float32. Of a linear head the logits are made block by block of the vocabulary and let go, so memory
does not grow with tokens × vocabulary; the blocks are merged as in the online softmax of Milakov and Gimelshein,
Online normalizer calculation for softmax (arXiv 1805.02867), here with the entropy as well.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.functional import linear, normalize

from benchmark.readout.linear_head import LinearHead

_BLOCK = 2048
"""Tokens of the vocabulary in one product."""
_ROWS = 1024
"""States in one product: with a block, 8 MiB of logits, which stay in the processor's cache."""


@dataclass(frozen=True)
class Signals:
    """Of some exits, whatever the shape; the fields are those of `benchmark.trace.record.Trace`."""

    predictions: Tensor
    max_prob: Tensor
    prob_margin: Tensor
    entropy: Tensor

    @classmethod
    def joined(cls, parts: "Sequence[Signals]") -> "Signals":
        """Return the signals of all parts, one behind the other."""
        return cls(**{field.name: torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)})

    def unflattened(self, layers: int) -> "Signals":
        """Return signals of T · L exits as T × L."""
        return Signals(*(getattr(self, field.name).unflatten(0, (-1, layers)) for field in fields(self)))


def signals_of_logits(logits: Tensor, values: Tensor, indices: Tensor) -> tuple[Signals, Tensor, Tensor]:
    """Return the signals of logits that are at hand; they are overwritten.

    Args:
        logits: … × V, float32.
        values: … × k, the largest logits in falling order, as `topk` gives them; k is 2 or more unless V is 1.
        indices: … × k, their tokens.

    Returns:
        Signals of the shape …; the logits less the largest, … × V; and exp of these, … × V.
    """
    best = values[..., 0]
    second = values[..., 1] if logits.shape[-1] > 1 else torch.full_like(best, -torch.inf)
    predictions, tied = indices[..., 0].clone(), second == best
    predictions[tied] = logits[tied].argmax(-1)  # the lowest id among equals, which `topk` does not promise
    # Shifting by the largest logit changes no probability and keeps the sums small.
    shifted = logits.sub_(best[..., None])
    weight = shifted.exp()
    # `vecdot`, because a product of matrices this long and thin is summed in one go, and loses four digits.
    dot = torch.linalg.vecdot(weight, shifted)
    return _signals(predictions, second - best, weight.sum(-1), dot), shifted, weight


def signals_of_states(head: LinearHead, states: Tensor) -> Signals:
    """Return the signals of the exits of some states as they enter a linear head: R × d → R each."""
    parts = [_of_rows(head, part) for part in states.split(_ROWS)]
    return Signals.joined(parts)


def _of_rows(head: LinearHead, states: Tensor) -> Signals:
    best = states.new_full((len(states),), -torch.inf, dtype=torch.float32)
    second, mass, dot = best.clone(), torch.zeros_like(best), torch.zeros_like(best)
    predictions = torch.zeros(len(states), dtype=torch.long, device=states.device)
    for start in range(0, len(head.weight), _BLOCK):
        block = slice(start, start + _BLOCK)
        logits = linear(states, head.weight[block], None if head.bias is None else head.bias[block]).float()
        if head.scale != 1:
            logits *= head.scale
        top = logits.amax(-1)
        rising = (top > best).nonzero()[:, 0]
        # Of rows that rise, what was best before is a candidate for the second place, as is the second of the block.
        second = torch.maximum(second, torch.minimum(top, best))
        if len(rising):
            some = logits[rising]
            predictions[rising] = start + some.argmax(-1)
            if some.shape[1] > 1:
                second[rising] = torch.maximum(second[rising], some.topk(2).values[:, 1])
        highest = torch.maximum(best, top)
        logits.sub_(highest[:, None])
        weight = logits.exp()
        fallen = torch.where(mass > 0, best - highest, 0.0)
        shrunk = fallen.exp()
        dot = shrunk * (dot + mass * fallen) + torch.linalg.vecdot(weight, logits)
        mass = shrunk * mass + weight.sum(-1)
        best = highest
    return _signals(predictions, second - best, mass, dot)


def _signals(predictions: Tensor, behind: Tensor, mass: Tensor, dot: Tensor) -> Signals:
    """Return the signals of a distribution of weights exp(s) with s ≤ 0, of mass Σ exp(s), and Σ exp(s)·s.

    `behind` is s of the second largest.
    """
    return Signals(predictions, 1 / mass, -behind.expm1() / mass, (mass.log() - dot / mass).clamp_min(0))


def similarity_to_previous(states: Sequence[Tensor], axis: int) -> Tensor:
    """Return cos(h_{ℓ−1}, h_ℓ) of each layer's output, T × L, float32; NaN for the first layer.

    Args:
        states: outputs of layers 1..L, one position of each of T texts.
        axis: of the texts.
    """
    unit = [normalize(state.movedim(axis, 0).flatten(1).float(), dim=-1) for state in states]
    cosines = [(before * after).sum(-1).clamp(-1, 1) for before, after in itertools.pairwise(unit)]
    return torch.stack([torch.full_like(unit[0][:, 0], torch.nan), *cosines], dim=1)
