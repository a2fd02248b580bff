"""Hidden states → what the model's own readout says about them; exact, chunked, in bounded memory.

The readout is the model's: it runs with its layers passed through and the state put in at the seam, so norm, head,
scale and soft-cap are whatever the model does. All exits of a token are read in the same product as the last layer, so
that target and candidates can be compared.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize
from transformers import PreTrainedModel

from benchmark.anatomy import Anatomy, passed_through, replaced_input
from benchmark.errors import MeasurementError

TOP_K = 10
# Logits of one chunk, in float32. Larger chunks were no faster on a CPU.
_CHUNK_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class Reading:
    """What the readout says about the states of some tokens; all arrays are tokens × layers."""

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
    """Tokens: largest minus second largest logit of the last layer; 0 is a tie."""


class Readout:
    """The readout of one model, as a function of states."""

    def __init__(self, model: PreTrainedModel, anatomy: Anatomy) -> None:
        """Use `model`'s own forward behind `anatomy.seam`."""
        self._model = model
        self._anatomy = anatomy
        self._head = model.get_output_embeddings()
        self._device = next(model.parameters()).device

    def logits(self, states: Tensor) -> Tensor:
        """Logits of states: batch × positions × d → batch × positions × vocabulary, in the model's dtype."""
        return self._run(states)[0]

    def read(self, states: Tensor) -> Reading:
        """Read out every exit of some tokens.

        Args:
            states: tokens × layers × d, outputs of layers 1..L in the model's dtype.

        Raises:
            MeasurementError: the logits of a layer hold NaN; says which.
        """
        tokens, layers, _ = states.shape
        vocabulary = self._model.config.get_text_config().vocab_size
        chunk = max(1, _CHUNK_BYTES // (layers * vocabulary * 4))
        parts = [self._read_chunk(states[start : start + chunk]) for start in range(0, tokens, chunk)]
        names = Reading.__dataclass_fields__
        return Reading(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})

    def _read_chunk(self, states: Tensor) -> Reading:
        tokens, layers, width = states.shape
        flat, head_input = self._run(states.reshape(tokens * layers, 1, width))
        logits = flat[:, 0].float().view(tokens, layers, -1)
        hidden = head_input[:, 0].float().view(tokens, layers, -1)
        predictions = logits.argmax(-1)
        top = logits.topk(min(TOP_K, logits.shape[-1]), dim=-1)
        mean = logits.mean(-1)
        _refuse_nan(mean)
        # ⟨z_ℓ, z_L⟩ = ⟨c_ℓ, c_L⟩ + V m_ℓ m_L with c = z − m: one centred copy gives both cosines without cancellation.
        logits -= mean[..., None]
        vocabulary = logits.shape[-1]
        dot = (logits @ logits[:, -1, :, None])[..., 0]
        square = torch.linalg.vector_norm(logits, dim=-1).square()
        raw_dot, raw_square = dot + vocabulary * mean * mean[:, -1:], square + vocabulary * mean * mean
        unit = normalize(hidden, dim=-1)
        shared = (top.indices[..., :, None] == top.indices[:, -1:, None, :]).any(-1).sum(-1)
        margin = (
            top.values[:, -1, 0] - top.values[:, -1, 1] if vocabulary > 1 else torch.full_like(mean[:, 0], torch.inf)
        )
        return Reading(
            predictions=predictions,
            similarity_logit=_cosine(dot, square),
            similarity_logit_raw=_cosine(raw_dot, raw_square),
            similarity_hidden=torch.linalg.vecdot(unit, unit[:, -1:]),
            similarity_topk=shared / top.indices.shape[-1],
            margin=margin,
        )

    def _run(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the states, and the states as they enter the output head."""
        entered: list[Tensor] = []
        handle = self._head.register_forward_pre_hook(lambda _, args: entered.append(args[0]))
        ids = torch.zeros(states.shape[:2], dtype=torch.long, device=self._device)
        try:
            with (
                torch.inference_mode(),
                passed_through(self._anatomy.layers),
                replaced_input(self._anatomy.seam, states),
            ):
                logits = self._model(input_ids=ids, use_cache=False).logits
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
