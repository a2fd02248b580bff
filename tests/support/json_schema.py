"""As much of JSON Schema as `docs/schema/` uses (https://json-schema.org/draft/2020-12/json-schema-validation)."""

import re
from collections.abc import Iterator
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
_NOTES = {"$schema", "$defs", "title", "description", "default"}


def errors(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, at: str = "") -> Iterator[str]:
    """Where and by which keyword a value does not fit a schema.

    Raises:
        KeyError: the schema has a keyword that is not known here.
    """
    root = root or schema
    for keyword, asked in schema.items():
        match keyword:
            case "$ref":
                yield from errors(value, root["$defs"][asked.removeprefix("#/$defs/")], root, at)
                continue
            case "anyOf" | "oneOf":
                fitting = sum(not list(errors(value, one, root, at)) for one in asked)
                good = fitting >= 1 if keyword == "anyOf" else fitting == 1
            case "type":
                good = isinstance(value, _TYPES[asked]) and (asked == "boolean" or not isinstance(value, bool))
            case "const":
                good = value == asked
            case "enum":
                good = value in asked
            case "required":
                good = not isinstance(value, dict) or value.keys() >= set(asked)
            case "additionalProperties":
                good = not isinstance(value, dict) or value.keys() <= schema["properties"].keys()
            case "properties":
                for name in asked.keys() & (value.keys() if isinstance(value, dict) else ()):
                    yield from errors(value[name], asked[name], root, f"{at}.{name}")
                continue
            case "items":
                for number, entry in enumerate(value if isinstance(value, list) else []):
                    yield from errors(entry, asked, root, f"{at}[{number}]")
                continue
            case "minItems":
                good = not isinstance(value, list) or len(value) >= asked
            case "pattern":
                good = not isinstance(value, str) or re.search(asked, value) is not None
            case "minLength":
                good = not isinstance(value, str) or len(value) >= asked
            case "maxLength":
                good = not isinstance(value, str) or len(value) <= asked
            case "minimum":
                good = not isinstance(value, int | float) or value >= asked
            case "maximum":
                good = not isinstance(value, int | float) or value <= asked
            case "exclusiveMinimum":
                good = not isinstance(value, int | float) or value > asked
            case _:
                if keyword not in _NOTES:
                    raise KeyError(keyword)
                continue
        if not good:
            yield f"{at}: {keyword}"
