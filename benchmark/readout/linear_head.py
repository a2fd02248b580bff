"""An output head that is linear, z = W n + b: what can be known of its logits without computing them all.

Inner products are defined here once and for all: computed in double precision, rounded once to the dtype of the logits.
So an argmax does not depend on how many states share a product, nor on the device.
"""

from functools import cached_property
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.functional import linear

_BLOCK_BYTES = 16 * 1024**2
_ROWS = 4096


class LinearHead:
    """The head of one model. States are R × d, as they enter it."""

    def __init__(self, module: nn.Linear, scale: float) -> None:
        """Keep the module's weights, V × d, and its bias.

        Args:
            module: for which `fits` is true.
            scale: what the model multiplies the head's output with, > 0.
        """
        self.weight: Tensor = _whole(module.weight.detach())
        self.bias: Tensor | None = None if module.bias is None else _whole(module.bias.detach())
        self.scale = scale

    @staticmethod
    def fits(module: nn.Module | None, vocab_size: int) -> TypeGuard[nn.Linear]:
        """Whether a head's logits are its weights times the state, with weights that are at hand."""
        return (
            isinstance(module, nn.Linear)
            and type(module).forward is nn.Linear.forward
            and module.weight.dim() == 2
            and module.weight.dtype in (torch.float32, torch.bfloat16, torch.float16)
            and not module.weight.is_meta
            and len(module.weight) == vocab_size
        )

    def exact(self, states: Tensor, tokens: Tensor) -> Tensor:
        """Logits of one token each: R × d, R → R, in double precision, rounded to the head's dtype."""
        products = torch.empty(len(tokens), dtype=torch.float64, device=states.device)
        step = max(1, _BLOCK_BYTES // (8 * states.shape[-1]))
        for start in range(0, len(tokens), step):
            part = slice(start, start + step)
            products[part] = torch.linalg.vecdot(states[part].double(), self.weight[tokens[part]].double())
        if self.bias is not None:
            products += self.bias[tokens].double()
        return products.to(self.weight.dtype).double()

    def logits(self, states: Tensor) -> Tensor:
        """Logits of all tokens, as the model computes them: R × d → R × V, float32."""
        logits = linear(states, self.weight, self.bias).float()
        return logits if self.scale == 1 else logits * self.scale

    def cosines(self, states: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines of logit vectors to the last exit's: states T × L × d, last T × d → T × L, centred and raw.

        ⟨z_ℓ, z_L⟩ = n_ℓᵀ (WᵀW) n_L needs no vocabulary. With W's rows centred on their mean the same gives the centred
        product c, and ⟨z_ℓ, z_L⟩ = c + V m_ℓ m_L, m the mean logits, gives the raw one without cancellation.
        """
        gram, mean_row = self._gram
        states, last = self._with_one(states), self._with_one(last)
        ahead = states @ gram
        square = torch.linalg.vecdot(ahead, states)
        dot = (ahead @ last[..., None])[..., 0]
        last_square = torch.linalg.vecdot(last @ gram, last)
        mean, last_mean = states @ mean_row, last @ mean_row
        size = len(self.weight)
        raw_dot = dot + size * mean * last_mean[:, None]
        raw_square, raw_last = square + size * mean * mean, last_square + size * last_mean * last_mean
        return cosine(dot, square, last_square), cosine(raw_dot, raw_square, raw_last)

    @cached_property
    def low(self) -> Tensor:
        """W in the dtype in which a product with the whole vocabulary is cheapest."""
        weight = self.weight
        return weight.to(torch.bfloat16) if _fast_in_16_bit(weight.device) else weight.float()

    @cached_property
    def norms(self) -> tuple[float, float]:
        """Largest ‖W_v‖, and largest ‖W_v − low W_v‖."""
        size, lost = 0.0, 0.0
        for start in range(0, len(self.low), _ROWS):
            rows, low = self.weight[start : start + _ROWS].double(), self.low[start : start + _ROWS].double()
            size = max(size, float(torch.linalg.vector_norm(rows, dim=-1).max()))
            lost = max(lost, float(torch.linalg.vector_norm(rows - low, dim=-1).max()))
        return size, lost

    @cached_property
    def row_norms(self) -> Tensor:
        """‖W_v − low W_v‖ and ‖W_v‖ of each token, and no less: 2 × V, float32."""
        norms = torch.empty(2, len(self.low), device=self.weight.device)
        for start in range(0, len(self.low), _ROWS):
            part = slice(start, start + _ROWS)
            rows, low = self.weight[part].double(), self.low[part].double()
            norms[0, part] = torch.linalg.vector_norm(rows - low, dim=-1)
            norms[1, part] = torch.linalg.vector_norm(rows, dim=-1)
        return norms * (1 + 1e-6)

    @cached_property
    def largest_bias(self) -> float:
        """Largest |b_v|; 0 without a bias."""
        return 0.0 if self.bias is None else float(self.bias.abs().max())

    @cached_property
    def _gram(self) -> tuple[Tensor, Tensor]:
        """Gram matrix of the centred columns of (W, b), and their means over the vocabulary; float32."""
        width = self.weight.shape[1] + (self.bias is not None)
        step = max(1, _BLOCK_BYTES // (8 * width))
        total = torch.zeros(width, dtype=torch.float64, device=self.weight.device)
        for start in range(0, len(self.weight), step):
            total += self._rows(start, step).sum(0, dtype=torch.float64)
        mean = total / len(self.weight)
        gram = torch.zeros(width, width, dtype=torch.float64, device=self.weight.device)
        for start in range(0, len(self.weight), step):
            centred = (self._rows(start, step) - mean).float()
            gram += centred.T @ centred
        return gram.float(), mean.float()

    def _rows(self, start: int, count: int) -> Tensor:
        rows = self.weight[start : start + count].float()
        return rows if self.bias is None else torch.cat([rows, self.bias[start : start + count, None].float()], 1)

    def _with_one(self, states: Tensor) -> Tensor:
        states = states.float()
        return states if self.bias is None else torch.cat([states, states.new_ones(*states.shape[:-1], 1)], -1)


def _whole(tensor: Tensor) -> Tensor:
    """Return a tensor with all of its parts, also those on other ranks."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def cosine(dot: Tensor, square: Tensor, last_square: Tensor) -> Tensor:
    """From inner products and squared norms; 0 where a vector has no length."""
    norm = (square.clamp_min(0) * last_square.clamp_min(0)[:, None]).sqrt()
    return torch.where(norm > 0, dot / norm.clamp_min(torch.finfo(norm.dtype).tiny), 0.0).clamp(-1, 1)


def _fast_in_16_bit(device: torch.device) -> bool:
    if device.type != "cpu":
        return True
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
