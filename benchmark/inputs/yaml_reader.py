"""Reading YAML as plain data, and telling a person what is wrong with it: file, entry, field, remedy."""

from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.errors import InputError
from benchmark.messages import cut, printable, suggest


class Strict(BaseModel):
    """Base of what is read from YAML: no field that is not declared, and no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class _UniqueKeyLoader(yaml.SafeLoader):
    """Plain data only, and no key twice: YAML would silently keep the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys: list[Any] = []
        for key_node, _ in node.value:
            # `<<` merges another entry's fields; those may be given again here.
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in keys:
                raise yaml.constructor.ConstructorError(
                    None, None, f"field '{printable(key)}' is given twice", key_node.start_mark
                )
            keys.append(key)
        return super().construct_mapping(node, deep)


def _as_text(loader: yaml.Loader, node: Any) -> str:
    """Dates stay text, so that one that is not in the calendar is told with its entry and field."""
    return str(node.value)


_UniqueKeyLoader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)


def read_yaml(path: Path) -> Any:
    """The document in a YAML file, as plain data.

    Raises:
        InputError: the file cannot be read or parsed, or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{printable(path)}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{printable(path)}: cannot be read: {error}") from None
    try:
        # The loader derives from SafeLoader.
        document = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{printable(path)}: not readable as YAML: {_yaml_problem(error)}") from None
    if document is None:
        raise InputError(f"{printable(path)}: is empty")
    return document


def _yaml_problem(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return printable(f"line {error.problem_mark.line + 1}: {error.problem}")
    return " ".join(str(error).split()) or type(error).__name__


def explain(error: ValidationError, label: str, spec: type[BaseModel]) -> list[str]:
    """One line a problem, each with the place (`label`), the field, and what is wrong with it."""
    lines = []
    for problem in error.errors(include_url=False):
        location = problem["loc"][:-1] if problem["type"] == "invalid_key" else problem["loc"]
        # Positions in a list count from 1, as entries do.
        field = printable(".".join(str(part + 1 if isinstance(part, int) else part) for part in location))
        text = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            known = _fields(spec, problem["loc"][:-1])
            text = f"unknown field{suggest(str(problem['loc'][-1]), known)}"
        elif problem["type"] == "model_type":
            text = f"expected fields, each with a value, got {cut(problem['input'])}"
        elif problem["type"] != "missing" and problem["loc"]:
            text = f"{text[:1].lower()}{text[1:]}, got {cut(problem['input'])}"
        lines.append(f"{label}: field '{field}': {text}" if field else f"{label}: {text}")
    return lines


def _fields(spec: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        if isinstance(part, str):
            spec = next(_specs(spec.model_fields[part].annotation), spec)
    return list(spec.model_fields)


def _specs(annotation: Any) -> Iterator[type[BaseModel]]:
    """The specs in a type such as `list[Checkpoint] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _specs(argument)
