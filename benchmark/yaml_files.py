"""Reading YAML as plain data, and telling a person what is wrong with it: file, entry, field, remedy."""

import difflib
import reprlib
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from benchmark.errors import InputError


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
                    None, None, f"field '{key}' is given twice", key_node.start_mark
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
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    try:
        # The loader derives from SafeLoader.
        document = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: not readable as YAML: {_yaml_problem(error)}") from None
    if document is None:
        raise InputError(f"{path}: is empty")
    return document


def _yaml_problem(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split()) or type(error).__name__


def explain(error: ValidationError, label: str, spec: type[BaseModel]) -> list[str]:
    """One line a problem, each with the place (`label`), the field, and what is wrong with it."""
    lines = []
    for problem in error.errors(include_url=False):
        # Union branches add their type to the location; only field names and positions mean something to a reader.
        field = ".".join(str(part) for part in problem["loc"])
        text = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            known = _fields(spec, problem["loc"][:-1])
            text = f"unknown field{suggest(str(problem['loc'][-1]), known)}"
        elif problem["type"] != "missing" and problem["loc"]:
            text = f"{text[:1].lower()}{text[1:]}, got {_short(problem['input'])}"
        lines.append(f"{label}: field '{field}': {text}" if field else f"{label}: {text}")
    return lines


def _fields(spec: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        annotation = spec.model_fields[str(part)].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            spec = annotation
    return list(spec.model_fields)


def suggest(word: str, known: list[str]) -> str:
    """What to say after "unknown field": the nearest known one, or all of them."""
    nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean '{nearest[0]}'?" if nearest else f"; known fields: {', '.join(known)}"


def _short(value: Any) -> str:
    # Cuts while it builds the text: an alias bomb has a short YAML and an endless repr.
    cut = reprlib.Repr()
    cut.maxstring = cut.maxother = 60
    return cut.repr(value)
