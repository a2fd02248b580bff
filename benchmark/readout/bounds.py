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
"""By which bounds are wider than they come out: what float32 loses on the way to a signal."""
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
    """
    low = states.to(head.low.dtype)
    logits = (low @ head.low.T).float()
    norm = torch.linalg.vector_norm(states.float(), dim=-1, keepdim=True)
    lost = torch.linalg.vector_norm(states.float() - low.float(), dim=-1, keepdim=True)
    summing = 2 * states.shape[-1] * torch.finfo(torch.float32).eps * norm
    error = torch.cat([norm, lost + summing], dim=1) @ head.row_norms
    error.add_(logits.abs(), alpha=torch.finfo(head.low.dtype).eps)
    if head.bias is not None:
        logits += head.bias.float()
    candidates = logits.topk(min(CANDIDATES, logits.shape[-1])).indices
    known = torch.einsum("rkd,rd->rk", head.weight[candidates].float(), states.float())
    if head.bias is not None:
        known += head.bias[candidates].float()
    best = known.amax(-1, keepdim=True)
    logits.sub_(best)
    upper, lower = (
        (logits + error).scatter_(1, candidates, _NOWHERE),
        logits.sub_(error).scatter_(1, candidates, _NOWHERE),
    )
    if head.scale != 1:
        upper, lower = upper.mul_(head.scale), lower.mul_(head.scale)
    return _bounds(candidates, (known - best) * head.scale, lower, upper, entropy)


def _bounds(candidates: Tensor, known: Tensor, lower: Tensor, upper: Tensor, entropy: bool) -> Bounds:
    """Return the bounds where the logits of candidates are known, and those of the others lie between two values.

    Args:
        candidates: R × k, their token ids.
        known: R × k, their logits less the largest.
        lower: R × V, what each logit reaches, likewise; next to nothing at the candidates.
        upper: R × V, what each logit does not exceed, likewise.
        entropy: whether its bounds are asked for; they are NaN otherwise.
    """
    place = known.argmax(-1, keepdim=True)
    others = known.scatter(1, place, _NOWHERE).amax(-1)
    outside = upper.amax(-1)
    certain = (outside < 0) & (others < 0)
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
    low, high = (
        Signals(predictions, *((end + sign * _ROUNDING * (1 + end.abs())).clamp_min(0) for end in side))
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
        lower: what each other logit reaches.
        upper: what it does not exceed.
        sums: S at most, and at least.
    """
    most, least = sums
    one, other = -lower[0] * lower[1], -upper[0] * upper[1]
    peak = torch.where((lower[0] < -1) & (upper[0] > -1), 1 / torch.e, -torch.inf)
    inner = -(known[0] * known[1]).sum(-1)
    lowest = inner + torch.minimum(one, other).sum(-1)
    highest = inner + torch.maximum(torch.maximum(one, other), peak).sum(-1)
    return least.log() + lowest / torch.where(lowest > 0, most, least), most.log() + highest / least
