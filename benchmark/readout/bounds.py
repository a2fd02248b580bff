"""Between which values the signals of an exit lie, from a product in 16 bit; where that decides, it decides exactly.

A gate asks only whether a signal reaches a threshold. The whole vocabulary in 16 bit gives every logit within a bound;
the likeliest tokens, which carry nearly all of the probability, are then computed in full precision. What is left in
between is narrow, and whoever finds a threshold in it computes the signals in full.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.readout.linear_head import LinearHead
from benchmark.readout.signals import Signals

CANDIDATES = 64
"""Tokens of a state whose logits are computed in full precision."""
_ROUNDING = 1e-4
"""By which bounds are wider than they come out: what float32 loses on the way from logits to a signal."""
_SUMMING = 8 * torch.finfo(torch.float32).eps
"""What float32 loses of an inner product, be it summed in whatever order, relative to the lengths of its vectors."""
_NOWHERE = -1e4
"""A logit so far below the best that its token has no probability in float32."""


@dataclass(frozen=True)
class Bounds:
    """Of R states."""

    low: Signals
    """No signal is smaller; `predictions` are the likeliest of the candidates."""
    high: Signals
    """No signal is larger."""
    certain: Tensor
    """R: whether `predictions` is certainly the argmax."""


def bounds_of_states(head: LinearHead, states: Tensor, entropy: bool = True) -> Bounds:
    """Return bounds of the signals of states as they enter a head, R × d; those of entropy only if asked for.

    A logit lies within ‖n‖ ‖W_v − low W_v‖ + ‖n − low n‖ ‖W_v‖ of its product in 16 bit, by the inequality of Cauchy
    and Schwarz, and within what summing and rounding that product lose.

    Args:
        head: in float32; the logits of another are rounded to 16 bit, so they may be far from their inner products.
        states: in float32.
        entropy: whether bounds of the entropy are wanted.
    """
    low = states.to(head.low.dtype)
    logits = (low @ head.low.T).float()
    norm = torch.linalg.vector_norm(states, dim=-1, keepdim=True)
    lost = torch.linalg.vector_norm(states - low.float(), dim=-1, keepdim=True)
    summing = 2 * states.shape[-1] * torch.finfo(torch.float32).eps * norm
    error = torch.cat([norm, lost + summing], dim=1) @ head.row_norms
    error.add_(logits.abs(), alpha=torch.finfo(head.low.dtype).eps)
    if head.bias is not None:
        logits += head.bias
        error.add_(head.bias.abs(), alpha=_SUMMING)
    candidates = logits.topk(min(CANDIDATES, logits.shape[-1])).indices
    known = torch.einsum("rkd,rd->rk", head.weight[candidates], states)
    unsure = norm * head.row_norms[1, candidates]
    if head.bias is not None:
        known += head.bias[candidates]
        unsure += head.bias[candidates].abs()
    unsure = head.scale * _SUMMING * unsure.amax(-1)
    best = known.amax(-1, keepdim=True)
    logits.sub_(best)
    upper, lower = logits + error, logits.sub_(error)
    if head.scale != 1:
        upper, lower = upper.mul_(head.scale), lower.mul_(head.scale)
    for end in (upper, lower):
        end.scatter_(1, candidates, _NOWHERE)
    return _bounds(candidates, (known - best) * head.scale, unsure, lower, upper, entropy)


def _bounds(candidates: Tensor, known: Tensor, unsure: Tensor, lower: Tensor, upper: Tensor, entropy: bool) -> Bounds:
    """Return the bounds where the logits of candidates are known, and those of the others lie between two values.

    Args:
        candidates: R × k, their token ids.
        known: R × k, their logits less the largest.
        unsure: R, by how much one of these may be off.
        lower: R × V, what each logit reaches, likewise; next to nothing at the candidates.
        upper: R × V, what each logit does not exceed, likewise.
        entropy: whether its bounds are asked for; they are NaN otherwise.
    """
    place = known.argmax(-1, keepdim=True)
    others = known.scatter(1, place, _NOWHERE).amax(-1)
    outside = upper.amax(-1)
    certain = (outside < -2 * unsure) & (others < -2 * unsure)
    weight = known.exp()
    over, under = (upper.exp(), lower.exp()) if entropy else (upper.exp_(), lower.exp_())
    mass = weight.sum(-1)
    most, least = mass + over.sum(-1), mass + under.sum(-1)
    first = 1 / most, outside.exp().clamp_min(1) / least
    second = others.exp() / most, torch.maximum(outside, others).exp() / least
    unknown = torch.full_like(mass, torch.nan)
    sums = most, least
    flows = _entropy((known, weight), (lower, under), (upper, over), sums) if entropy else (unknown, unknown)
    predictions = candidates.gather(1, place)[:, 0]
    ends = (first[0], first[0] - second[1], flows[0]), (first[1], first[1] - second[0], flows[1])
    wider = _ROUNDING + 4 * unsure
    low, high = (
        Signals(predictions, *((end + sign * wider * (1 + end.abs())).clamp_min(0) for end in side))
        for sign, side in zip((-1, 1), ends, strict=True)
    )
    return Bounds(low, high, certain)


_Weighted = tuple[Tensor, Tensor]
"""Logits s, and exp(s)."""


def _entropy(
    known: _Weighted, lower: _Weighted, upper: _Weighted, sums: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return between which values H lies: H = ln S + Σ f(s) / S, where f(s) = −s exp(s) rises up to s = −1 and falls
    from there on.

    Args:
        known: of the candidates.
        lower: what each other logit reaches; overwritten.
        upper: what it does not exceed; overwritten.
        sums: S at most, and at least.
    """
    most, least = sums
    (lowest, under), (highest, over) = lower, upper
    around_peak = (lowest < -1) & (highest > -1)
    # Written over what is no longer needed: tensors as large as the vocabulary cost more to make than to fill.
    one, other = lowest.mul_(under), highest.mul_(over)
    inner = -(known[0] * known[1]).sum(-1)
    lowest = inner - torch.maximum(one, other, out=under).sum(-1)
    highest = inner - torch.minimum(one, other, out=over).masked_fill_(around_peak, -1 / torch.e).sum(-1)
    low = least.log() + lowest / torch.where(lowest > 0, most, least)
    return low, most.log() + highest / torch.where(highest > 0, least, most)
