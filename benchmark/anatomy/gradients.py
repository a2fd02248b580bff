"""What results depend on: parameters that they were computed from, and which elements of them."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

_AT_ONCE = 2**20
"""Elements of weights whose gradients are computed together, at least; of larger layers, a quarter of them."""


def reached_from(results: Iterable[Tensor]) -> dict[Tensor, set[str]]:
    """The parameters that results were computed from, and the names of the operations that used them."""
    pending: list[Any] = [result.grad_fn for result in results if result.grad_fn is not None]
    visited = set(pending)
    reached: dict[Tensor, set[str]] = {}
    while pending:
        node = pending.pop()
        for following, _ in node.next_functions:
            if hasattr(following, "variable"):
                reached.setdefault(following.variable, set()).add(node.name())
            elif following is not None and following not in visited:
                visited.add(following)
                pending.append(following)
    return reached


def needed_for(results: list[Tensor], inputs: list[Tensor], projections: int = 1) -> Iterator[Tensor | None]:
    """Of each input, which elements the results depend on: a mask of gradients that are not zero, None for no element.

    They are gradients of random projections. Behind a norm a plain sum can have none, and in half precision single
    elements of one projection cancel out; those of three hardly do. A gradient is as large as what it is of, so those
    of a large layer are never all there at once.

    Args:
        results: that depend on them.
        inputs: tensors of the graph.
        projections: how many are tried.
    """
    parts: list[list[Tensor]] = [[]]
    most = max(_AT_ONCE, sum(tensor.numel() for tensor in inputs) // 4)
    for tensor in inputs:
        if parts[-1] and sum(other.numel() for other in parts[-1]) + tensor.numel() > most:
            parts.append([])
        parts[-1].append(tensor)
    for part in parts:
        generator = torch.Generator().manual_seed(0)
        masks: list[Tensor | None] = [None] * len(part)
        for _ in range(projections):
            total = torch.zeros(())
            for result in results:
                if result.requires_grad:
                    weights = torch.randn(result.shape, generator=generator).to(result.device)
                    total = total + (result.float() * weights).sum().to("cpu")
            gradients = torch.autograd.grad(total, part, retain_graph=True, allow_unused=True)
            for index, gradient in enumerate(gradients):
                if gradient is not None:
                    mask = masks[index]
                    masks[index] = gradient != 0 if mask is None else mask.logical_or_(gradient != 0)
        yield from masks


def share_of(mask: Tensor, axis: int) -> float:
    """Share of the slices along an axis that have something in them."""
    return float(mask.movedim(axis, 0).flatten(1).any(1).float().mean() if mask.dim() > 1 else mask.float().mean())
