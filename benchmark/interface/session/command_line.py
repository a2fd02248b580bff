"""The options of a measurement on pytest's command line."""

import dataclasses
from collections.abc import Sequence

import pytest

from benchmark.interface.option_table import OPTIONS
from benchmark.interface.options import Options, defaults

_PREFIX = "exitbench_"
"""Of the names that pytest keeps our options under, so that those of others stay theirs."""
_OF_BENCHMARKS = tuple(
    f"--benchmark-{name}"
    for name in ("columns", "sort", "group-by", "name", "verbose", "enable", "compare", "histogram")
)
"""Options of pytest-benchmark that ask for its table."""

_TAKEN = pytest.StashKey[list[str]]()


def options_of(config: pytest.Config) -> Options:
    """Return the options of a session.

    Raises:
        pytest.UsageError: another plugin has an option of the same name.
    """
    taken = config.stash.get(_TAKEN, [])
    if taken:
        raise pytest.UsageError(f"exitbench: {taken[0]} is an option of another plugin; leave that out with -p no:NAME")
    return Options(**{field.name: config.getoption(_PREFIX + field.name) for field in dataclasses.fields(Options)})


def any_given(config: pytest.Config) -> bool:
    """Return whether any of them is on the command line."""
    option = config.option.__dict__
    return any(_PREFIX + name in option and option[_PREFIX + name] != default for name, default in defaults().items())


def wants_benchmarks(arguments: Sequence[str]) -> bool:
    """Return whether a command line asks for the table of pytest-benchmark: by an option that shapes or compares it."""
    return any(word.startswith(_OF_BENCHMARKS) for word in map(str, arguments))


def add_options(parser: pytest.Parser, config: pytest.Config) -> None:
    """Declare the options, but for those whose names others have taken."""
    taken = _names(parser)
    group = parser.getgroup("exitbench", "measuring early-exit potential")
    clashes = []
    for name, options in OPTIONS.items():
        if name in taken:
            clashes.append(name)
        else:
            group.addoption(name, dest=_dest(name), **options)
    config.stash[_TAKEN] = clashes


def _names(parser: pytest.Parser) -> set[str]:
    """The options that are declared already; pytest has no public way to ask."""
    groups = [*getattr(parser, "_groups", []), getattr(parser, "_anonymous", None)]
    return {name for group in groups if group is not None for option in group.options for name in option.names()}


def _dest(name: str) -> str:
    return _PREFIX + name.removeprefix("--").replace("-", "_")
