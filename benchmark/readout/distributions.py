"""What takes the logits of the whole vocabulary: rank, overlap of the most likely, entropy, divergence, margin."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Distributions:
    """Of some tokens, n × L; the fields are those of `benchmark.trace.record.Trace`."""

    predictions: Tensor
    rank: Tensor
    similarity_topk: Tensor
    entropy: Tensor
    kl: Tensor
    layer_margin: Tensor


def describe(logits: Tensor, targets: Tensor, top_k: int) -> Distributions:
    """Describe the distributions of some tokens at every exit.

    Args:
        logits: n × L × V, float32; overwritten.
        targets: n, the full model's tokens.
        top_k: K, at most V.
    """
    top = logits.topk(max(top_k, min(2, logits.shape[-1])), dim=-1)
    nearest = top.indices[..., :top_k]
    shared = (nearest[..., :, None] == nearest[:, -1:, None, :]).any(-1).sum(-1)
    predictions = top.indices[..., 0].clone()
    tied = top.values[..., 0] == top.values[..., min(1, logits.shape[-1] - 1)]
    predictions[tied] = logits[tied].argmax(-1)  # the lowest id among equals, which `topk` does not promise
    rank = _rank(logits, targets)
    # Shifting by the largest logit changes no probability and keeps the sums small.
    shifted = logits.sub_(top.values[..., :1])
    weight = shifted.exp()
    mass = weight.sum(-1)
    total = mass.log()
    # `vecdot`, because a product of matrices this long and thin is summed in one go, and loses four digits.
    entropy = total - torch.linalg.vecdot(weight, shifted) / mass
    cross = total - torch.linalg.vecdot(weight[:, -1:], shifted) / mass[:, -1:]
    kl = (cross - entropy[:, -1:]).clamp_min(0)
    kl[:, -1] = 0
    single = logits.shape[-1] == 1
    return Distributions(
        predictions=predictions,
        rank=rank,
        similarity_topk=shared / top_k,
        entropy=entropy.clamp_min(0),
        kl=kl,
        layer_margin=torch.zeros_like(total) if single else top.values[..., 0] - top.values[..., 1],
    )


def _rank(logits: Tensor, targets: Tensor) -> Tensor:
    """Rank of the target from 1, n × L; among equals the lowest id comes first, as argmax resolves them."""
    own = logits.gather(-1, targets[:, None, None].expand(-1, logits.shape[1], 1))
    # As numbers, because sums of truth values are slow; whole numbers of this size are exact in float32.
    larger = torch.empty_like(logits)
    ahead = torch.gt(logits, own, out=larger).sum(-1).long()
    no_less = torch.ge(logits, own, out=larger).sum(-1).long()
    for token, layer in (no_less > ahead + 1).nonzero().tolist():
        equal = (logits[token, layer] == own[token, layer]).nonzero()[:, 0]
        ahead[token, layer] += (equal < targets[token]).sum()
    return 1 + ahead
