"""JSON Schema of the files that people and other programs read and write: rows, and the list of models.

Both are made from the pydantic models, with the docstrings of their fields as descriptions, so an editor shows what a
column or a field means. `exitbench schema` writes them to `docs/schema/`.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmark.inputs.checkpoints import Checkpoint
from benchmark.inputs.model_entry import ModelEntry
from benchmark.results.row import DECLARED, Row
from benchmark.results.row.frame import SCHEMA_VERSION

FOLDER = Path(__file__).parents[2] / "docs" / "schema"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def row_schema() -> dict[str, Any]:
    """Of one row, a JSON file of a results folder, of this schema version."""
    schema = _described(Row)
    for name, column in DECLARED.items():
        if column.unit:
            schema["properties"][name]["unit"] = column.unit
    schema["properties"]["schema_version"]["const"] = SCHEMA_VERSION
    schema["required"] = ["schema_version", *schema["required"]]
    return {"$schema": _DIALECT, **schema, "title": f"A row of ExitBench, schema version {SCHEMA_VERSION}"}


def models_schema() -> dict[str, Any]:
    """Of `models.yaml`, as an editor sees it before names and defaults are filled in."""
    entry = _described(ModelEntry)
    definitions = entry.pop("$defs")
    definitions |= {"Checkpoint": _shorthand(_described(Checkpoint)), "ModelEntry": entry}
    # pydantic does not show a pattern behind a function, and YAML reads a year as a number.
    date = {"type": "string", "pattern": "^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$"}
    entry["properties"]["released"]["anyOf"] = [date, {"type": "integer", "minimum": 1000, "maximum": 9999}]
    for listed in entry["properties"]["revisions"]["anyOf"]:
        if listed["type"] == "array":
            listed["minItems"] = 1
    # A name that is left out comes from the source, and a source is one of these.
    del entry["properties"]["name"]["default"]
    sources = (["id"], ["path"], ["package", "file"], ["pieces"])
    entry["oneOf"] = [{"required": fields} for fields in sources]
    return {
        "$schema": _DIALECT,
        "title": "The models of ExitBench",
        "type": "object",
        "additionalProperties": False,
        "required": ["models"],
        "properties": {
            "models": {
                "description": "One entry a model, or one for all training checkpoints of a model.",
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/$defs/ModelEntry"},
            }
        },
        "$defs": definitions,
    }


def files() -> dict[Path, str]:
    """The files of `docs/schema/`, and what stands in them."""
    schemas = {"row.schema.json": row_schema(), "models.schema.json": models_schema()}
    return {FOLDER / name: json.dumps(schema, indent=1, ensure_ascii=False) + "\n" for name, schema in schemas.items()}


def outdated() -> list[Path]:
    """Those that are missing or not what this version of the code gives."""
    return [path for path, text in files().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def _described(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model, with the docstrings of its fields on one line."""
    schema = model.model_json_schema()
    for field, known in list(schema["properties"].items()):
        text = " ".join((model.model_fields[field].description or "").split())
        known.pop("title", None)
        rest = {name: part for name, part in known.items() if name != "description"}
        schema["properties"][field] = ({"description": text} if text else {}) | rest
    return schema


def _shorthand(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint may be written as its name alone."""
    name = {key: value for key, value in checkpoint["properties"]["revision"].items() if key != "description"}
    return {"anyOf": [name, checkpoint]}
