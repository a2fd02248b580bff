"""Which entries `--model` and `--workload` pick."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar

from benchmark.errors import InputError


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """Unique among its like."""


N = TypeVar("N", bound=Named)


def select(specs: Sequence[N], patterns: Sequence[str], option: str, place: str) -> list[N]:
    """The specs whose name equals or matches any of the patterns, in their own order; all without patterns.

    Raises:
        InputError: a pattern matches nothing; lists the names there are.
    """
    for pattern in patterns:
        if not any(_matches(spec, pattern) for spec in specs):
            names = ", ".join(spec.name for spec in specs)
            raise InputError(f"{option} '{pattern}' matches nothing in {place}; there are: {names}")
    return [spec for spec in specs if not patterns or any(_matches(spec, pattern) for pattern in patterns)]


def _matches(spec: Named, pattern: str) -> bool:
    return spec.name == pattern or fnmatchcase(spec.name, pattern)
