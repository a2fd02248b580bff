"""Which entries a person picks by names and globs."""

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar

from benchmark.errors import InputError

# As many names as one reads in an error; of more, those near to what was asked for.
_MOST_NAMES = 20
_NEAR_NAMES = 5


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """Unique among its like."""


N = TypeVar("N", bound=Named)


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
