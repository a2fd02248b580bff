"""Hidden states → what the model's own readout says about them; exact, chunked, in bounded memory.

The readout is the model's: it runs with its layers doing nothing and the state put in behind the last one, so norm,
head, scale and soft-cap are whatever the model does. All exits of a token are read in the same product as the last
layer, so that target and candidates can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.functional import normalize
from transformers import PreTrainedModel

from benchmark.anatomy import Anatomy, read_out
from benchmark.errors import MeasurementError
from benchmark.tasks import Task, forward_logits

TOP_K = 10
BATCH_AXIS = -3
"""States are batch × positions × d, in some models behind further axes."""
# Logits of one chunk, in float32. Larger chunks were no faster on a CPU.
_CHUNK_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class Reading:
    """What the readout says about some tokens; tokens × layers where nothing else is said."""

    predictions: Tensor
    """argmax of the logits, the lowest id among equals. int64; the last column is the full model's token."""
    similarity_logit: Tensor
    """Cosine to the last layer's logits, each vector centred on its mean over the vocabulary."""
    similarity_logit_raw: Tensor
    """The same without centring."""
    similarity_hidden: Tensor
    """Cosine to the last layer's state as it enters the output head, that is after the final norm."""
    similarity_topk: Tensor
    """Share of the K most likely tokens in common with the last layer."""
    margin: Tensor
    """tokens: largest minus second largest logit of the last layer; 0 is a tie."""


class Readout:
    """The readout of one model, as a function of states."""

    def __init__(self, model: PreTrainedModel, anatomy: Anatomy, task: Task) -> None:
        """Use `model`'s own forward; reads out one zero state to learn the shape of its logits."""
        self._model = model
        self._anatomy = anatomy
        self._task = task
        self._head = model.get_output_embeddings()
        *leading, _, _, width = anatomy.state_shape
        zero = torch.zeros(*leading, 1, 1, width, dtype=model.dtype, device=model.device)
        self.vocab_size: int = self.logits(zero).shape[-1]

    def logits(self, states: Tensor) -> Tensor:
        """Logits of states: … batch × positions × d → batch × positions × vocabulary, in the model's dtype."""
        return self._run(states)[0]

    def read(self, states: Sequence[Tensor]) -> Reading:
        """Read out every exit of some tokens.

        Args:
            states: outputs of layers 1..L, each … tokens × 1 × d in the model's dtype.

        Raises:
            MeasurementError: the logits of a layer hold NaN; says which.
        """
        tokens = states[0].shape[BATCH_AXIS]
        chunk = max(1, _CHUNK_BYTES // (len(states) * self.vocab_size * 4))
        parts = [
            self._read_chunk([state.narrow(BATCH_AXIS, start, min(chunk, tokens - start)) for state in states])
            for start in range(0, tokens, chunk)
        ]
        return Reading(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Reading)})

    def _read_chunk(self, states: list[Tensor]) -> Reading:
        flat, head_input = self._run(torch.cat(states, dim=BATCH_AXIS))
        logits = flat[:, 0].float().unflatten(0, (len(states), -1)).transpose(0, 1).contiguous()
        predictions = logits.argmax(-1)
        top = logits.topk(min(TOP_K, self.vocab_size), dim=-1)
        mean = logits.mean(-1)
        _refuse_nan(mean)
        # ⟨z_ℓ, z_L⟩ = ⟨c_ℓ, c_L⟩ + V m_ℓ m_L with c = z − m: one centred copy gives both cosines without cancellation.
        logits -= mean[..., None]
        dot = (logits @ logits[:, -1, :, None])[..., 0]
        square = torch.linalg.vector_norm(logits, dim=-1).square()
        raw_dot = dot + self.vocab_size * mean * mean[:, -1:]
        raw_square = square + self.vocab_size * mean * mean
        hidden = normalize(head_input.flatten(1).float(), dim=-1).unflatten(0, (len(states), -1)).transpose(0, 1)
        shared = (top.indices[..., :, None] == top.indices[:, -1:, None, :]).any(-1).sum(-1)
        return Reading(
            predictions=predictions,
            similarity_logit=_cosine(dot, square),
            similarity_logit_raw=_cosine(raw_dot, raw_square),
            similarity_hidden=(hidden * hidden[:, -1:]).sum(-1),
            similarity_topk=shared / top.indices.shape[-1],
            margin=top.values[:, -1, 0] - top.values[:, -1, 1],
        )

    def _run(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the states, and the states as they enter the output head."""
        entered: list[Tensor] = []
        handle = self._head.register_forward_pre_hook(lambda _, args: entered.append(args[0]))
        ids = torch.zeros(states.shape[-3:-1], dtype=torch.long, device=self._model.device)
        try:
            with read_out(self._anatomy, states):
                logits = forward_logits(self._model, self._task, ids)
        finally:
            handle.remove()
        return logits, entered[0]


def _cosine(dot: Tensor, square: Tensor) -> Tensor:
    """Cosine to the last exit from inner products and squared norms; 0 where a vector has no length."""
    norm = (square * square[:, -1:]).sqrt()
    return torch.where(norm > 0, dot / norm.clamp_min(torch.finfo(norm.dtype).tiny), 0.0)


def _refuse_nan(per_exit: Tensor) -> None:
    bad = per_exit.isnan().any(0)
    if bad.any():
        raise MeasurementError(f"the logits are NaN from layer {int(bad.int().argmax()) + 1} of {len(bad)} on")
