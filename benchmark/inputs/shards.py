"""Shares of the models of a run, for the tasks of a job array: each model is in exactly one.

A share follows from the entries alone. The tasks of an array start at different times, and what is measured by then, or
what memory is free, must not move a model from one task to another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.inputs.model_entry import ModelEntry


@dataclass(frozen=True)
class Shard:
    """One of so many shares."""

    number: int
    """From 1 on."""
    of: int

    def __str__(self) -> str:
        """Return it as a person writes it."""
        return f"{self.number}/{self.of}"


def in_shard(models: "Sequence[ModelEntry]", shard: Shard) -> "list[ModelEntry]":
    """Return the models of a shard, in their own order; none where there are fewer models than shards.

    The largest model goes first to the shard that has the least, as all models run the same workloads and what a token
    takes grows with the parameters. An entry that does not say how many it has counts as the median of the others.
    """
    known = [entry.parameters for entry in models if entry.parameters]
    usual = median(known) if known else 1
    loads, chosen = [0.0] * shard.of, set()
    for entry in sorted(models, key=lambda entry: (-(entry.parameters or usual), entry.name)):
        least = loads.index(min(loads))
        loads[least] += entry.parameters or usual
        if least == shard.number - 1:
            chosen.add(entry.name)
    return [entry for entry in models if entry.name in chosen]
