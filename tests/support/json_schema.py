"""Errors of a value by a JSON Schema, as the library `jsonschema` tells them."""

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator


def errors(value: Any, schema: dict[str, Any]) -> Iterator[str]:
    """Where and by which keyword a value does not fit a schema."""
    Draft202012Validator.check_schema(schema)
    for error in Draft202012Validator(schema).iter_errors(value):
        yield f"{error.json_path.removeprefix('$')}: {error.validator}"
