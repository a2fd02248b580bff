"""What a person may write in YAML, and the one clear line they get for everything else."""

from pathlib import Path

import pytest

from benchmark.errors import InputError
from benchmark.specs import ModelSpec, WorkloadSpec, load_models, load_workload

WORKLOAD = """
name: chat
description: "Everyday requests."
source: {file: chat.jsonl}
field: prompt
kind: chat
prompts: 16
max_new_tokens: 64
licence: CC0-1.0
"""


def models(folder: Path, text: str) -> list[ModelSpec]:
    """What `models.yaml` with this text gives."""
    path = folder / "models.yaml"
    path.write_text(text)
    return load_models(path)


def entry(folder: Path, text: str) -> ModelSpec:
    """What an entry of these fields, in flow style, gives."""
    return models(folder, f"models: [{{{text}}}]")[0]


def refusal(folder: Path, text: str) -> str:
    """The one line that refuses this `models.yaml`."""
    with pytest.raises(InputError) as error:
        models(folder, text)
    return _one_line(error.value, folder / "models.yaml")


def workload(folder: Path, text: str, name: str = "chat.yaml") -> WorkloadSpec:
    """What a workload file with this text gives."""
    path = folder / name
    path.write_text(text)
    return load_workload(path)


def workload_refusal(folder: Path, text: str, name: str = "chat.yaml") -> str:
    """The one line that refuses this workload file."""
    with pytest.raises(InputError) as error:
        workload(folder, text, name)
    return _one_line(error.value, folder / name)


def _one_line(error: InputError, path: Path) -> str:
    """The message without the name of the file, which it must begin with."""
    file, separator, rest = str(error).partition(f"{path}: ")
    assert (file, separator) == ("", f"{path}: ")
    assert "\n" not in rest
    return rest


class TestAnEntry:
    """Three lines add a model."""

    def test_an_id_is_enough(self, tmp_path: Path):
        spec = entry(tmp_path, "id: Qwen/Qwen3-8B")
        assert (spec.id, spec.name, spec.dtype, spec.trust_remote_code) == ("Qwen/Qwen3-8B", "Qwen3-8B", "auto", False)

    def test_everything_people_know_about_a_model(self, tmp_path: Path):
        spec = models(
            tmp_path,
            """
            models:
              - id: Qwen/Qwen3-8B
                family: Qwen
                released: 2025-04-29
                stage: instruct
                base_model: Qwen/Qwen3-8B-Base
                parameters: 8190735360
            """,
        )[0]
        assert (spec.family, spec.released, spec.stage) == ("Qwen", "2025-04-29", "instruct")
        assert (spec.base_model, spec.parameters) == ("Qwen/Qwen3-8B-Base", 8190735360)

    def test_entries_keep_the_order_of_the_file(self, tmp_path: Path):
        specs = models(tmp_path, "models:\n  - id: org/zeta\n  - id: org/alpha\n")
        assert [spec.name for spec in specs] == ["zeta", "alpha"]

    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ("id: org/model", "model"),
            ("id: gpt2", "gpt2"),
            ("id: org/model, revision: main", "model"),
            ("id: org/model, revision: step1000", "model@step1000"),
            ("path: /weights/model.Q4_1.gguf", "model.Q4_1"),
            ("path: ../weights/model", "model"),
            ("package: weights, file: inner/model.Q4_1.gguf", "model.Q4_1"),
            ("id: org/model, name: mine", "mine"),
        ],
    )
    def test_default_name(self, tmp_path: Path, fields: str, name: str):
        assert entry(tmp_path, fields).name == name

    @pytest.mark.parametrize("date", ["2025-04-29", "'2025-04-29'", "2025-04", "'2025'", "2025"])
    def test_a_release_date_may_be_a_day_a_month_or_a_year_with_quotes_or_without(self, tmp_path: Path, date: str):
        assert entry(tmp_path, f"id: org/model, released: {date}").released == date.strip("'")

    def test_a_path_is_relative_to_the_file_that_names_it(self, tmp_path: Path):
        assert entry(tmp_path, "path: weights/model").local_path == tmp_path / "weights" / "model"

    def test_an_absolute_path_stays_as_it_is(self, tmp_path: Path):
        assert entry(tmp_path, "path: /weights/model").local_path == Path("/weights/model")

    def test_fields_shared_with_an_anchor(self, tmp_path: Path):
        specs = models(
            tmp_path,
            """
            models:
              - &pythia
                id: EleutherAI/pythia-160m
                family: Pythia
              - <<: *pythia
                id: EleutherAI/pythia-1.4b
            """,
        )
        assert [(spec.name, spec.family) for spec in specs] == [("pythia-160m", "Pythia"), ("pythia-1.4b", "Pythia")]

    def test_a_field_has_an_address_for_later_errors(self, tmp_path: Path):
        assert entry(tmp_path, "id: org/model").where("id") == f"{tmp_path}/models.yaml: model: id"


class TestAFieldOfAnEntryIsWrong:
    """The line names the file, the entry and the field."""

    def test_unknown_field_with_the_nearest_known_one(self, tmp_path: Path):
        assert refusal(tmp_path, "models:\n  - id: org/model\n    parmeters: 7\n") == (
            "entry 1 (org/model): field 'parmeters': unknown field; did you mean 'parameters'?"
        )

    def test_unknown_field_that_is_near_to_none_with_all_known_ones(self, tmp_path: Path):
        line = refusal(tmp_path, "models:\n  - id: org/model\n    xyzzy: 7\n")
        assert line.startswith("entry 1 (org/model): field 'xyzzy': unknown field; known fields: id, revision, path,")

    def test_the_entry_is_counted_from_one(self, tmp_path: Path):
        line = refusal(tmp_path, "models:\n  - id: org/one\n  - id: org/two\n    stages: base\n")
        assert line.startswith("entry 2 (org/two): field 'stages'")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("parameters", "7B"),
            ("parameters", "0"),
            ("parameters", "7.5"),
            ("parameters", "true"),
            ("batch_size", "-1"),
            ("family", "3"),
            ("family", "[Qwen]"),
            ("trust_remote_code", "'yes'"),
            ("dtype", "int8"),
            ("quantization", "2bit"),
            ("device_map", "cuda:0"),
            ("stage", "tuned"),
            ("stage", "Base"),
            ("released", "Oct 2024"),
            ("released", "29.04.2025"),
            ("released", "2024-13"),
            ("released", "2024-02-30"),
            ("released", "'2024-02-30'"),
            ("revision", "''"),
            ("name", "''"),
            ("name", "null"),
        ],
    )
    def test_value(self, tmp_path: Path, field: str, value: str):
        line = refusal(tmp_path, f"models:\n  - id: org/model\n    {field}: {value}\n")
        assert line.startswith("entry 1 (org/model): ")
        assert f"field '{field}': " in line
        assert ", got " in line

    @pytest.mark.parametrize("name", ["../model", "org/model", "/model", "..", ".", ".model", "a b", "a\\b", "x" * 101])
    def test_name_that_is_no_folder(self, tmp_path: Path, name: str):
        line = refusal(tmp_path, f"models:\n  - id: org/model\n    name: '{name}'\n")
        assert line.startswith(f"entry 1 ({name}): field 'name': ")

    @pytest.mark.parametrize("hub_id", ["../model", "org/../model", "org/.model", "a/b/c", "/model", "org/", "a b"])
    def test_id_that_is_none(self, tmp_path: Path, hub_id: str):
        assert refusal(tmp_path, f"models:\n  - id: {hub_id}\n").startswith(f"entry 1 ({hub_id}): field 'id': ")

    @pytest.mark.parametrize("file", ["/etc/passwd", "../weights.gguf", "inner/../../weights.gguf"])
    def test_file_outside_its_package(self, tmp_path: Path, file: str):
        assert refusal(tmp_path, f"models:\n  - package: weights\n    file: {file}\n    name: model\n") == (
            f"entry 1 (model): field 'file': must be a relative path without '..', got '{file}'"
        )

    def test_a_long_value_is_cut(self, tmp_path: Path):
        assert len(refusal(tmp_path, f"models:\n  - id: org/model\n    stage: {'x' * 5000}\n")) < 300

    def test_a_revision_that_cannot_be_part_of_a_name_asks_for_one(self, tmp_path: Path):
        line = refusal(tmp_path, "models:\n  - id: org/model\n    revision: refs/pr/1\n")
        assert "give a 'name'" in line

    def test_several_mistakes_are_told_at_once_a_line_each(self, tmp_path: Path):
        with pytest.raises(InputError) as error:
            models(tmp_path, "models:\n  - {id: org/one, stage: x, family: 3}\n  - {id: org/two, dtype: x}\n")
        path = tmp_path / "models.yaml"
        assert [line.partition(": input")[0] for line in str(error.value).splitlines()] == [
            f"{path}: entry 1 (org/one): field 'family'",
            f"{path}: entry 1 (org/one): field 'stage'",
            f"{path}: entry 2 (org/two): field 'dtype'",
        ]


class TestFieldsOfAnEntryDoNotGoTogether:
    """The line names the file, the entry and the fields."""

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ("id: org/model, path: model", "give exactly one of 'id', 'path' or 'package' as the source, not 'id' and"),
            ("family: Qwen, name: model", "give exactly one of 'id', 'path' or 'package' as the source, not none of"),
            ("path: model, revision: main", "'revision' needs 'id'; local files have no revisions"),
            ("package: weights, name: model", "'package' and 'file' belong together"),
            ("id: org/model, file: model.gguf", "'package' and 'file' belong together"),
        ],
    )
    def test_source(self, tmp_path: Path, fields: str, message: str):
        line = refusal(tmp_path, f"models: [{{{fields}}}]")
        assert line.startswith("entry 1")
        assert message in line


class TestTwoEntriesOfOneName:
    """Their results would land in one folder."""

    def test_the_same(self, tmp_path: Path):
        assert refusal(tmp_path, "models:\n  - id: one/model\n  - id: other/other\n  - id: two/model\n") == (
            "entry 3 (two/model): field 'name': 'model' is taken by entry 1; give a 'name'"
        )

    def test_differing_only_in_case(self, tmp_path: Path):
        assert refusal(tmp_path, "models:\n  - id: one/Model\n  - id: two/model\n") == (
            "entry 2 (two/model): field 'name': 'model' is taken by entry 1; give a 'name'"
        )

    def test_a_name_of_its_own_helps(self, tmp_path: Path):
        specs = models(tmp_path, "models:\n  - id: one/model\n  - id: two/model\n    name: model-of-two\n")
        assert [spec.name for spec in specs] == ["model", "model-of-two"]

    def test_another_revision_is_another_name(self, tmp_path: Path):
        specs = models(tmp_path, "models:\n  - id: one/model\n  - id: one/model\n    revision: step1\n")
        assert [spec.name for spec in specs] == ["model", "model@step1"]


class TestTheFileIsWrong:
    """The line names the file and, where there is one, the line in it."""

    def test_not_yaml(self, tmp_path: Path):
        line = refusal(tmp_path, "models:\n  - id: org/one\n   family: Qwen\n")
        assert line.startswith("not readable as YAML: line 3: ")

    def test_key_given_twice(self, tmp_path: Path):
        assert refusal(tmp_path, "models:\n  - id: org/one\n    family: Qwen\n    id: org/two\n") == (
            "not readable as YAML: line 4: field 'id' is given twice"
        )

    def test_list_given_twice(self, tmp_path: Path):
        assert refusal(tmp_path, "models:\n  - id: org/one\nmodels:\n  - id: org/two\n") == (
            "not readable as YAML: line 3: field 'models' is given twice"
        )

    @pytest.mark.parametrize(
        "value",
        [
            "!!python/object/apply:os.system ['touch {mark}']",
            "!!python/object/new:os.system ['touch {mark}']",
            "!!python/name:os.system ''",
            "!!python/module:antigravity ''",
        ],
    )
    def test_building_python_objects(self, tmp_path: Path, value: str):
        mark = tmp_path / "mark"
        line = refusal(tmp_path, f"models:\n  - id: {value.format(mark=mark)}\n")
        assert line.startswith("not readable as YAML: line 2: ")
        assert not mark.exists()

    @pytest.mark.parametrize("text", ["", "\n\n", "# nothing here yet\n", "---\n"])
    def test_empty(self, tmp_path: Path, text: str):
        assert refusal(tmp_path, text) == "is empty"

    @pytest.mark.parametrize("text", ["models: []", "models:", "models: org/model", "models: {id: org/model}"])
    def test_no_list_of_entries(self, tmp_path: Path, text: str):
        assert refusal(tmp_path, text) == "field 'models': expected a list with at least one entry"

    @pytest.mark.parametrize("text", ["- id: org/model", "id: org/model", "org/model", "3"])
    def test_no_models(self, tmp_path: Path, text: str):
        assert refusal(tmp_path, text) == "expected a list of entries under 'models:'"

    def test_something_beside_models(self, tmp_path: Path):
        assert refusal(tmp_path, "models: [{id: org/model}]\nmodle: []\n") == (
            "field 'modle': unknown field; did you mean 'models'?"
        )

    @pytest.mark.parametrize("item", ["org/model", "[id, org/model]", "3", ""])
    def test_entry_without_fields(self, tmp_path: Path, item: str):
        assert refusal(tmp_path, f"models:\n  - {item}\n").startswith("entry 1: ")

    def test_missing(self, tmp_path: Path):
        with pytest.raises(InputError) as error:
            load_models(tmp_path / "models.yaml")
        assert _one_line(error.value, tmp_path / "models.yaml") == "no such file"

    def test_a_folder(self, tmp_path: Path):
        (tmp_path / "models.yaml").mkdir()
        with pytest.raises(InputError) as error:
            load_models(tmp_path / "models.yaml")
        assert _one_line(error.value, tmp_path / "models.yaml").startswith("cannot be read: ")

    def test_no_text(self, tmp_path: Path):
        (tmp_path / "models.yaml").write_bytes(b"models:\n  - id: \xff\xfe\n")
        with pytest.raises(InputError) as error:
            load_models(tmp_path / "models.yaml")
        assert _one_line(error.value, tmp_path / "models.yaml").startswith("cannot be read: ")

    def test_brackets_without_end(self, tmp_path: Path):
        assert refusal(tmp_path, "[" * 3_000).startswith("not readable as YAML: ")


class TestAWorkload:
    """One small file each."""

    def test_a_file_beside_it(self, tmp_path: Path):
        spec = workload(tmp_path, WORKLOAD)
        assert (spec.name, spec.source.file, spec.field, spec.kind) == ("chat", "chat.jsonl", "prompt", "chat")
        assert (spec.prompts, spec.max_new_tokens) == (16, 64)

    def test_a_dataset_of_the_hub(self, tmp_path: Path):
        source = "source: {id: org/data, revision: 0123abc, file: data/test.parquet}"
        spec = workload(tmp_path, WORKLOAD.replace("source: {file: chat.jsonl}", source))
        assert (spec.source.id, spec.source.revision) == ("org/data", "0123abc")

    def test_a_field_has_an_address_for_later_errors(self, tmp_path: Path):
        assert workload(tmp_path, WORKLOAD).where("field") == f"{tmp_path}/chat.yaml: field"

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("field: prompt", "feild: prompt", "field 'feild': unknown field; did you mean 'field'?"),
            ("{file: chat.jsonl}", "{flie: x, file: y}", "field 'source.flie': unknown field; did you mean 'file'?"),
            ("licence: CC0-1.0", "", "field 'licence': field required"),
            ("kind: chat", "kind: chatty", "field 'kind': input should be 'chat'"),
            ("prompts: 16", "prompts: 0", "field 'prompts': input should be greater than 0, got 0"),
            ("prompts: 16", "prompts: all", "field 'prompts': input should be a valid integer, got 'all'"),
            ("name: chat", "name: ../chat", "field 'name': "),
            ("name: chat", "name: other", "field 'name': is 'other' but the file is called 'chat.yaml'"),
            ("chat.jsonl", "/etc/passwd", "field 'source.file': must be a relative path without '..', got '/etc/pas"),
            ("chat.jsonl", "../a.jsonl", "field 'source.file': must be a relative path without '..', got '../a.jso"),
            ("{file: chat.jsonl}", "{file: a, revision: b}", "field 'source': 'revision' needs 'id'"),
            ("{file: chat.jsonl}", "{file: a, id: b, package: c}", "field 'source': give 'package' or 'id', not both"),
            ("field: prompt", "field: a\ntemplate: '{a}'", "give exactly one of 'field' and 'template'"),
            ("field: prompt", "", "give exactly one of 'field' and 'template'"),
        ],
    )
    def test_mistake(self, tmp_path: Path, old: str, new: str, message: str):
        assert workload_refusal(tmp_path, WORKLOAD.replace(old, new, 1)).lower().startswith(message.lower())

    def test_key_given_twice(self, tmp_path: Path):
        line = workload_refusal(tmp_path, "name: chat\nkind: chat\nkind: completion\n")
        assert line == "not readable as YAML: line 3: field 'kind' is given twice"

    @pytest.mark.parametrize("text", ["[]", "chat", "3"])
    def test_no_fields(self, tmp_path: Path, text: str):
        workload_refusal(tmp_path, text)

    def test_empty(self, tmp_path: Path):
        assert workload_refusal(tmp_path, "") == "is empty"
