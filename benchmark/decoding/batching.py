"""Which prompts run together, and their token ids as one tensor."""

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from benchmark.readout.loaded_model import LoadedModel


def batches(model: LoadedModel, prompts: Sequence[Sequence[int]], batch_size: int) -> Iterator[list[int]]:
    """Yield the numbers of the prompts that go together: of similar length, to pad little, or of equal length only.

    Args:
        model: one that carries a state from token to token never sees padding; one whose prompts leak into each other
            runs them one by one.
        prompts: token ids of each.
        batch_size: the most prompts that go together.
    """
    size = batch_size if model.batchable else 1
    yield from groups([len(prompt) for prompt in prompts], size, equal_length=model.recurrent)


def groups(lengths: Sequence[int], size: int, equal_length: bool) -> Iterator[list[int]]:
    """Yield indices in the order of their lengths, at most `size` together, those of equal length only if asked."""
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    parts = [list(part) for _, part in itertools.groupby(order, key=lambda index: lengths[index])]
    for group in parts if equal_length else [order]:
        for start in range(0, len(group), size):
            yield group[start : start + size]


def padded(
    prompts: Sequence[Sequence[int]], pad_id: int, device: torch.device, on_the_left: bool
) -> tuple[Tensor, Tensor]:
    """Return token ids and attention mask of one batch: texts × positions, padded to the longest of them.

    Args:
        prompts: token ids of each text.
        pad_id: fills what is missing.
        device: where both tensors go.
        on_the_left: whether padding stands in front of the text, as it must where the text is continued.
    """
    width = max(len(prompt) for prompt in prompts)
    ids, mask = [], []
    for prompt in prompts:
        pads, missing = [pad_id] * (width - len(prompt)), [0] * (width - len(prompt))
        ids.append([*pads, *prompt] if on_the_left else [*prompt, *pads])
        attended = [1] * len(prompt)
        mask.append([*missing, *attended] if on_the_left else [*attended, *missing])
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
