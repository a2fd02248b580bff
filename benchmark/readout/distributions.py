"""What takes the logits of the whole vocabulary: rank, overlap of the most likely, entropy, divergence, margin."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.readout.signals import Signals, signals_of_logits


@dataclass(frozen=True)
class Distributions:
    """Of some tokens, n × L; the fields are those of `benchmark.trace.record.Trace`."""

    signals: Signals
    rank: Tensor
    similarity_topk: Tensor
    kl: Tensor
    layer_margin: Tensor

    @classmethod
    def joined(cls, parts: "Sequence[Distributions]") -> "Distributions":
        """Return the distributions of the tokens of all parts."""
        return cls(
            Signals.joined([part.signals for part in parts]),
            *(torch.cat([getattr(part, name) for part in parts]) for name in _OF_SAMPLE),
        )

    @classmethod
    def of_nothing(cls, layers: int, device: torch.device) -> "Distributions":
        """Return the distributions of an empty sample."""
        nothing = torch.empty(0, layers, device=device)
        return cls(Signals(nothing.long(), nothing, nothing, nothing), nothing.long(), nothing, nothing, nothing)


_OF_SAMPLE = ("rank", "similarity_topk", "kl", "layer_margin")


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
    rank = _rank(logits, targets)
    signals, shifted, weight = signals_of_logits(logits, top.values, top.indices)
    # p₁ is 1 over the sum of the weights.
    cross = -signals.max_prob.log() - torch.linalg.vecdot(weight[:, -1:], shifted) * signals.max_prob[:, -1:]
    kl = (cross - signals.entropy[:, -1:]).clamp_min(0)
    kl[:, -1] = 0
    single = logits.shape[-1] == 1
    margin = torch.zeros_like(signals.entropy) if single else top.values[..., 0] - top.values[..., 1]
    return Distributions(signals, rank, shared / top_k, kl, margin)


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
