"""Which entries a person picks: by names and globs, or as a share of the models for one task of a job array."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from statistics import median
from typing import TYPE_CHECKING, Protocol, TypeVar

from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.inputs.model_entry import ModelEntry

# As many names as one reads in an error; of more, those near to what was asked for.
_MOST_NAMES = 20
_NEAR_NAMES = 5


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """Unique among its like."""


N = TypeVar("N", bound=Named)


@dataclass(frozen=True)
class Shard:
    """One of so many shares of the models; each model is in exactly one."""

    number: int
    """From 1 on."""
    of: int

    def __str__(self) -> str:
        """Return it as a person writes it."""
        return f"{self.number}/{self.of}"


def select(specs: Sequence[N], patterns: Sequence[str], option: str, place: str) -> list[N]:
    """The specs that any of the patterns picks, in their own order; all without patterns.

    A pattern is a name or a glob. The name of an entry that is measured at its checkpoints only picks all of them:
    `pythia-160m` is `pythia-160m@*`, unless there is a model of that very name.

    Raises:
        InputError: a pattern matches nothing; tells the names there are, or those near to it.
    """
    names = [spec.name for spec in specs]
    picked: set[str] = set()
    for pattern in patterns:
        found = [name for name in names if name == pattern or fnmatchcase(name, pattern)]
        found = found or [name for name in names if name.startswith(f"{pattern}@")]
        if not found:
            raise InputError(f"{option} '{pattern}' matches nothing in {place}; {_instead(pattern, names)}")
        picked.update(found)
    return [spec for spec in specs if not patterns or spec.name in picked]


def in_shard(models: "Sequence[ModelEntry]", shard: Shard) -> "list[ModelEntry]":
    """Return the models of a shard, in their own order; none where there are fewer models than shards.

    The largest model goes first to the shard that has the least, as all models run the same workloads and what a token
    takes grows with the parameters. An entry that does not say how many it has counts as the median of the others.
    Nothing else counts: the tasks of an array start at different times, and what is measured by then, or what memory is
    free, must not move a model from one to another.
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


def _instead(pattern: str, names: Sequence[str]) -> str:
    if len(names) <= _MOST_NAMES:
        return f"there are: {', '.join(names)}"
    # A person may have written the hub id, another case, or a part of the name.
    folded = {name.casefold(): name for name in names}
    word = pattern.rpartition("/")[2].strip("*?").casefold()
    nearest = [name for name in folded if word and word in name]
    nearest += [name for name in difflib.get_close_matches(word, folded, cutoff=0.5) if name not in nearest]
    near = f"near to it: {', '.join(folded[name] for name in nearest[:_NEAR_NAMES])}; " if nearest else ""
    return f"{near}all {len(names)} are listed by: exitbench plan"
