"""Which prompts run together, and their token ids as one tensor."""

import itertools
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark.readout.loaded_model import LoadedModel

_LENGTHS = re.compile(r"window|chunk|block|original_max|local|index|budget|top_?k|stride|floor|segment|span")
_NO_LENGTHS = re.compile(r"layer|head|dim|expert|group|token|num_|rank")


def length_thresholds(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the lengths of a text, in rising order, at which a model may begin to work in another way.

    They are read off the names of its config's fields: windows, chunks and blocks of attention, the K of a sparse
    index, the context before it was stretched. A field that switches nothing costs a little speed and no more.

    Args:
        config: as a dictionary, with those of its parts in it.
    """
    found: set[int] = set()

    def look(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, item in value.items():
                look(str(key), item)
        elif isinstance(value, list | tuple):
            for item in value:
                look(name, item)
        elif _LENGTHS.search(name) and not _NO_LENGTHS.search(name) and isinstance(value, int | float) and value > 1:
            found.add(int(value))

    look("", config)
    return tuple(sorted(found))


def batches(
    model: LoadedModel, prompts: Sequence[Sequence[int]], batch_size: int, new_tokens: int = 0
) -> Iterator[list[int]]:
    """Yield the numbers of the prompts that go together: of similar length, to pad little, or of equal length only.

    Args:
        model: one that carries a state from token to token never sees padding; one whose prompts leak into each other
            runs them one by one; one that works in another way from some length on never has texts of both kinds
            beside each other.
        prompts: token ids of each.
        batch_size: the most prompts that go together.
        new_tokens: by how many tokens each of them grows.
    """
    size = batch_size if model.batchable else 1
    lengths = [len(prompt) for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda number: lengths[number])

    def alike(number: int) -> Hashable:
        length = lengths[number]
        return length if model.recurrent else side(length, new_tokens, model.thresholds)

    yield from groups([alike(number) for number in order], order, size)


def groups(kinds: Sequence[Hashable], order: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield runs of neighbours of the same kind, at most `size` together."""
    for _, run in itertools.groupby(zip(kinds, order, strict=True), key=lambda pair: pair[0]):
        members = [number for _, number in run]
        for start in range(0, len(members), size):
            yield members[start : start + size]


def side(length: int, new_tokens: int, thresholds: Sequence[int]) -> Hashable:
    """Return what texts of some length share that may run together: how many thresholds they are beyond.

    A text that passes one while it grows runs with texts of its own length only.
    """
    if passes(length, new_tokens, thresholds):
        return "passing", length
    return sum(length > threshold for threshold in thresholds)


def passes(length: int, new_tokens: int, thresholds: Sequence[int]) -> bool:
    """Whether a text of some length passes a threshold while it grows.

    Whether the threshold itself is below or beyond differs between models, so both count as passing.
    """
    return any(length <= threshold + 1 and length + new_tokens >= threshold for threshold in thresholds)


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
