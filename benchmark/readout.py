"""Hidden states → what the model's own readout says about them; exact, chunked, in bounded memory.

The readout is the model's: it runs with its layers doing nothing and the state put in behind the last one, so norm,
head, scale and soft-cap are whatever the model does. All exits of a token are read in the same product as the last
layer, so that target and candidates can be compared.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.functional import normalize
from transformers import PreTrainedModel

from benchmark.anatomy import Anatomy, read_out
from benchmark.errors import MeasurementError
from benchmark.tasks import Task, encode, forward_logits, input_device

TOP_K = 10
HUGE = 1e20
"""No logit is this large; some models mask a part of the vocabulary with the most negative number there is."""
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
    """Cosine to the last layer's state as it enters the output head, that is after the final norm. NaN when the model
    does not call its head as a module."""
    similarity_topk: Tensor
    """Share of the K most likely tokens in common with the last layer."""
    margin: Tensor
    """tokens: largest minus second largest logit of the last layer; 0 is a tie."""

    def cpu(self) -> "Reading":
        """The same in main memory."""
        return Reading(**{field.name: getattr(self, field.name).cpu() for field in fields(self)})


class Readout:
    """The readout of one model, as a function of states."""

    def __init__(self, model: PreTrainedModel, anatomy: Anatomy, task: Task) -> None:
        """Use `model`'s own forward; reads out one zero state to learn the shape of its logits."""
        self._model = model
        self._anatomy = anatomy
        self._task = task
        self._head = model.get_output_embeddings()
        # An encoder's output has no say in the readout, but a decoder wants to be given one.
        self._encoded = encode(model, task, torch.zeros(1, 1, dtype=torch.long, device=input_device(model)))
        zero = torch.zeros(anatomy.state_shape, dtype=model.dtype, device=input_device(model))
        self.vocab_size: int = self.logits(zero).shape[-1]

    def logits(self, states: Tensor) -> Tensor:
        """Logits, batch × positions × vocabulary, of states as the layers return them; in the model's dtype."""
        return self._run(states)[0]

    def read(self, states: Sequence[Tensor]) -> Reading:
        """Read out every exit of some tokens.

        Args:
            states: outputs of layers 1..L for these tokens, one position each, as the layers return them.

        Raises:
            MeasurementError: the logits of a layer are not finite; says which.
        """
        axis = self._anatomy.batch_axis
        tokens = states[0].shape[axis]
        chunk = max(1, _CHUNK_BYTES // (len(states) * self.vocab_size * 4))
        with torch.inference_mode():
            parts = [
                self._read_chunk([state.narrow(axis, start, min(chunk, tokens - start)) for state in states])
                for start in range(0, tokens, chunk)
            ]
        return Reading(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Reading)})

    def _read_chunk(self, states: list[Tensor]) -> Reading:
        flat, head_input = self._run(torch.cat(states, dim=self._anatomy.batch_axis))
        logits = flat[:, 0].float().unflatten(0, (len(states), -1)).transpose(0, 1).contiguous()
        predictions = logits.argmax(-1)
        top = logits.topk(min(TOP_K, self.vocab_size), dim=-1)
        mean = logits.mean(-1)
        _refuse_not_finite(mean)
        # ⟨z_ℓ, z_L⟩ = ⟨c_ℓ, c_L⟩ + V m_ℓ m_L with c = z − m: one centred copy gives both cosines without cancellation.
        logits -= mean[..., None]
        dot = (logits @ logits[:, -1, :, None])[..., 0]
        square = torch.linalg.vector_norm(logits, dim=-1).square()
        raw_dot = dot + self.vocab_size * mean * mean[:, -1:]
        raw_square = square + self.vocab_size * mean * mean
        shared = (top.indices[..., :, None] == top.indices[:, -1:, None, :]).any(-1).sum(-1)
        return Reading(
            predictions=predictions,
            similarity_logit=_cosine(dot, square),
            similarity_logit_raw=_cosine(raw_dot, raw_square),
            similarity_hidden=_hidden(head_input, mean),
            similarity_topk=shared / top.indices.shape[-1],
            margin=top.values[:, -1, 0] - top.values[:, -1, 1],
        )

    def _run(self, states: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits of the states, and the states as they enter the output head, if the model calls it as a module."""
        entered: list[Tensor] = []
        shape = states.shape[self._anatomy.batch_axis], states.shape[self._anatomy.position_axis]
        ids = torch.zeros(shape, dtype=torch.long, device=input_device(self._model))
        with read_out(self._anatomy, states), ExitStack() as stack:
            if self._head is not None:
                stack.callback(self._head.register_forward_pre_hook(lambda _, args: entered.append(args[0])).remove)
            logits = forward_logits(self._model, self._task, ids, self._encoded)
        return logits, entered[0] if entered else None


def _hidden(head_input: Tensor | None, like: Tensor) -> Tensor:
    """Cosine to the last exit of the states that enter the head: (layers · tokens) × 1 × d → tokens × layers."""
    if head_input is None:
        return torch.full_like(like, torch.nan)
    tokens, layers = like.shape
    unit = normalize(head_input.float().reshape(layers, tokens, -1), dim=-1).transpose(0, 1)
    return (unit * unit[:, -1:]).sum(-1)


def _cosine(dot: Tensor, square: Tensor) -> Tensor:
    """Cosine to the last exit from inner products and squared norms; 0 where a vector has no length."""
    norm = (square * square[:, -1:]).sqrt()
    return torch.where(norm > 0, dot / norm.clamp_min(torch.finfo(norm.dtype).tiny), 0.0)


def _refuse_not_finite(mean: Tensor) -> None:
    """Refuse by the mean of each logit vector (tokens × layers): it shows a single NaN, infinity or huge constant."""
    bad = ~(mean.abs() <= HUGE).all(0)
    if bad.any():
        what = "NaN" if mean.isnan().any() else "not finite"
        raise MeasurementError(f"the logits are {what} from layer {int(bad.int().argmax()) + 1} of {len(bad)} on")
