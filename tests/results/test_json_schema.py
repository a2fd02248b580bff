"""`docs/schema/`: what editors and other programs are told agrees with what is read and written."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import run
from json_schema import errors
from strategies import row_of

from benchmark.errors import InputError
from benchmark.inputs.model_entry import ModelEntry, load_models
from benchmark.results import json_schema as schema
from benchmark.results.row import Row
from benchmark.results.row.frame import SCHEMA_VERSION

ROOT = Path(__file__).parents[2]


def test_the_files_are_up_to_date():
    assert schema.outdated() == [], "run: exitbench schema"


class TestRows:
    """`row.schema.json`."""

    SCHEMA = schema.row_schema()

    def test_a_row_fits(self):
        row = row_of(agreement=[0.5, 1.0], half_agreement=[None, 1.0])
        assert list(errors(json.loads(row.model_dump_json()), self.SCHEMA)) == []

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"schema_version": SCHEMA_VERSION + 1}, ".schema_version: const"),
            ({"status": "fine"}, ".status: enum"),
            ({"tokens": "20"}, ".tokens: anyOf"),
            ({"limited": 1}, ".limited: type"),
            ({"agreement": ["a"]}, ".agreement: anyOf"),
        ],
    )
    def test_what_is_no_row_does_not(self, change: dict[str, Any], error: str):
        assert list(errors(row_of().model_dump() | change, self.SCHEMA)) == [error]

    def test_the_version_is_needed(self):
        row = row_of().model_dump()
        del row["schema_version"]
        assert list(errors(row, self.SCHEMA)) == [": required"]

    def test_columns_say_what_they_mean(self):
        described = {name for name, column in self.SCHEMA["properties"].items() if "description" in column}
        assert Row.model_fields.keys() - described == {"torch_version", "transformers_version", "python_version"}
        assert self.SCHEMA["properties"]["num_layers"]["description"] == "L."


class TestModels:
    """`models.schema.json`."""

    SCHEMA = schema.models_schema()

    def test_the_models_that_ship_fit(self):
        assert list(errors(yaml.safe_load((ROOT / "models.yaml").read_text()), self.SCHEMA)) == []

    @pytest.mark.parametrize(
        "entry",
        [
            "{id: org/model}",
            "{id: gpt2, revision: main, stage: base}",
            "{id: org/model, released: 2024}",
            "{id: org/model, released: '2024-05'}",
            "{id: org/model, revisions: [step1, {revision: x, step: 2}]}",
            "{path: ../model, name: mine, dtype: float32}",
            "{package: weights, file: inner/model.gguf}",
            "{id: org/model, trust_remote_code: true, batch_size: 4, quantization: 4bit}",
            "{id: org/model, family: null}",
        ],
    )
    def test_what_is_read_fits(self, tmp_path: Path, entry: str):
        text = f"models: [{entry}]"
        (tmp_path / "models.yaml").write_text(text)
        assert load_models(tmp_path / "models.yaml")
        assert list(errors(yaml.safe_load(text), self.SCHEMA)) == []

    @pytest.mark.parametrize(
        "text",
        [
            "models: []",
            "models: [org/model]",
            "models: [{}]",
            "model: [{id: org/model}]",
            "models: [{id: org/model, path: here}]",
            "models: [{package: weights}]",
            "models: [{id: org/model, stage: tuned}]",
            "models: [{id: org/model, famly: Llama}]",
            "models: [{id: 'org/../model'}]",
            "models: [{id: org/model, name: a/b}]",
            "models: [{id: org/model, name: <b>}]",
            "models: [{id: org/model, released: May}]",
            "models: [{id: org/model, parameters: 0}]",
            "models: [{id: org/model, parameters: '7B'}]",
            "models: [{id: org/model, revisions: []}]",
            "models: [{id: org/model, revisions: [1000]}]",
            "models: [{id: org/model, trust_remote_code: 'yes'}]",
        ],
    )
    def test_what_is_refused_does_not(self, tmp_path: Path, text: str):
        (tmp_path / "models.yaml").write_text(text)
        with pytest.raises(InputError):
            load_models(tmp_path / "models.yaml")
        assert list(errors(yaml.safe_load(text), self.SCHEMA)) != []

    def test_fields_say_what_they_mean(self):
        entry = self.SCHEMA["$defs"]["ModelEntry"]["properties"]
        assert entry.keys() == ModelEntry.model_fields.keys()
        assert [name for name, field in entry.items() if not field.get("description")] == []


class TestCommand:
    """`exitbench schema`."""

    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(schema, "FOLDER", tmp_path / "schema")
        return tmp_path / "schema"

    def test_it_writes_what_the_check_then_finds_up_to_date(self, elsewhere: Path):
        assert run("schema") == 0
        assert sorted(path.name for path in elsewhere.iterdir()) == ["models.schema.json", "row.schema.json"]
        assert run("schema", "--check") == 0

    def test_a_file_that_was_changed_is_a_line_and_1(self, elsewhere: Path, capsys: pytest.CaptureFixture[str]):
        run("schema")
        (elsewhere / "row.schema.json").write_text("{}")
        assert run("schema", "--check") == 1
        assert capsys.readouterr().err == f"{elsewhere / 'row.schema.json'} is out of date; run: exitbench schema\n"

    def test_the_check_writes_nothing(self, elsewhere: Path):
        assert run("schema", "--check") == 1
        assert not elsewhere.exists()
