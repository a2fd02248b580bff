"""What decoding says of the tokens that it chose, and what the readout then finds: plain tensors under their names."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from benchmark.readout.distributions import Distributions
from benchmark.readout.signals import Signals


@dataclass(frozen=True)
class Chosen:
    """What decoding says of the tokens it chose, T each; from the model's own logits."""

    target: Tensor
    """The token, the argmax."""
    logit: Tensor
    """Its logit, float32."""
    margin: Tensor
    """By how much it is larger than the second largest."""
    largest: Tensor
    """Largest absolute logit."""

    @classmethod
    def of(cls, logits: Tensor) -> "Chosen":
        """Of logits T × V."""
        logits = logits.float()
        largest = torch.maximum(logits.amax(-1), -logits.amin(-1))
        best = logits.max(-1)
        place = best.indices[:, None]
        logits.scatter_(-1, place, -torch.inf)
        margin = best.values - logits.amax(-1)
        logits.scatter_(-1, place, best.values[:, None])  # as it was, which is cheaper than a copy
        return cls(best.indices, best.values, margin, largest)

    @classmethod
    def joined(cls, parts: "Sequence[Chosen]") -> "Chosen":
        """Of the tokens of all parts."""
        return cls(**{field.name: torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)})

    def at(self, rows: Tensor) -> "Chosen":
        """Of some of the tokens."""
        return Chosen(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True)
class Reading:
    """What the readout says of some tokens, in main memory; the fields are those of `benchmark.trace.record.Trace`."""

    target: Tensor
    margin: Tensor
    sampled: Tensor
    matches: Tensor
    similarity_logit: Tensor
    similarity_logit_raw: Tensor
    similarity_hidden: Tensor
    similarity_previous: Tensor
    predictions: Tensor
    max_prob: Tensor
    prob_margin: Tensor
    entropy: Tensor
    rank: Tensor
    similarity_topk: Tensor
    kl: Tensor
    layer_margin: Tensor
    half_matches: Tensor


@dataclass(frozen=True)
class Found:
    """What a reading is made of, on the device; tensors are T × L but for the sample's."""

    chosen: Chosen
    sampled: Tensor
    matches: Tensor
    centred: Tensor
    raw: Tensor
    hidden: Tensor
    signals: Signals
    """Of all tokens, or of the sample."""
    sample: Distributions
    half_matches: Tensor

    def reading(self, previous: Tensor) -> Reading:
        """Hold predictions and ranks to the exits, where rounding leaves a choice; move all to main memory."""
        known = self.sampled if len(self.signals.predictions) == len(self.sample.rank) else self.sampled | True
        own, signals, sample = self.chosen.target[known][:, None], self.signals, self.sample
        columns = {
            "target": self.chosen.target,
            "margin": self.chosen.margin,
            "sampled": self.sampled,
            "matches": self.matches,
            "similarity_logit": self.centred,
            "similarity_logit_raw": self.raw,
            "similarity_hidden": self.hidden,
            "similarity_previous": previous,
            "predictions": torch.where(self.matches[known], own, signals.predictions),
            "max_prob": signals.max_prob,
            "prob_margin": signals.prob_margin,
            "entropy": signals.entropy,
            "rank": torch.where(self.matches[self.sampled], 1, sample.rank.clamp_min(2)),
            "similarity_topk": sample.similarity_topk,
            "kl": sample.kl,
            "layer_margin": sample.layer_margin,
            "half_matches": self.half_matches,
        }
        return Reading(**{name: tensor.cpu() for name, tensor in columns.items()})
