"""Experiments of somebody's own: files anywhere that hold an `Experiment`, and the rules that keep columns apart."""

import importlib.util
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmark.errors import InputError
from benchmark.messages import cut, printable
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.experiments.studies import SHIPPED
from benchmark.results.row import Row


def experiments_in(module: ModuleType) -> list[Experiment[Any]]:
    """Return the experiments that a module declares, without those of this package."""
    declared = [value for value in vars(module).values() if isinstance(value, Experiment)]
    return [experiment for experiment in dict.fromkeys(declared) if experiment not in SHIPPED]


def load_suites(files: Iterable[Path]) -> tuple[Experiment[Any], ...]:
    """Run suite files and return the experiments that they declare.

    Raises:
        InputError: a file cannot be read or run, declares no experiment, or declares what clashes with others.
    """
    own = [experiment for file in files for experiment in _experiments_of(file)]
    refuse_clashes(own)
    return tuple(own)


def refuse_clashes(own: Sequence[Experiment[Any]]) -> None:
    """Make sure that experiments of somebody's own have names and columns that nothing else has.

    Raises:
        InputError: a name or a column is taken, or cannot be one.
    """
    owner = dict.fromkeys(Row.model_fields, "rows")
    # Of a column that both studies have, the first is named.
    owner |= {column: f"'{shipped.name}'" for shipped in reversed(SHIPPED) for column in shipped.columns.model_fields}
    names = {experiment.name for experiment in SHIPPED}
    for experiment in own:
        title = f"experiment {cut(experiment.name)}"
        if not experiment.name.isidentifier():
            raise InputError(f"{title}: a name must be an identifier, such as early_share")
        if experiment.name in names:
            raise InputError(f"{title}: there is another one of this name; rename it")
        names.add(experiment.name)
        for column in experiment.columns.model_fields:
            if column in owner:
                raise InputError(f"{title}: the column '{column}' is taken by {owner[column]}; rename it")
            owner[column] = f"'{experiment.name}'"


def _experiments_of(file: Path) -> list[Experiment[Any]]:
    if not file.is_file():
        raise InputError(f"{printable(file)}: no such suite file")
    if (loaded := _loaded(file)) is not None:
        return experiments_in(loaded)
    name = f"exitbench_suite_{file.stem}"
    specification = importlib.util.spec_from_file_location(name, file)
    if specification is None or specification.loader is None:
        raise InputError(f"{printable(file)}: a suite is a Python file, whose name ends with .py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # dataclasses and pydantic look their module up there
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{printable(file)}: cannot be run: {type(error).__name__}: {reason}") from None
    experiments = experiments_in(module)
    if not experiments:
        raise InputError(f"{printable(file)}: declares no experiment; see docs/extending.md")
    return experiments


def _loaded(file: Path) -> ModuleType | None:
    """The module that a file was imported as already, by pytest for one."""
    path = str(file.resolve())
    return next((module for module in list(sys.modules.values()) if getattr(module, "__file__", None) == path), None)
