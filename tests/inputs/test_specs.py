"""What a person may write in YAML, and the one clear line they get for everything else."""

from pathlib import Path

import pytest

from benchmark.errors import InputError
from benchmark.inputs.model_entry import ModelEntry, load_models
from benchmark.inputs.workload_entry import WorkloadEntry, load_workload

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


def models(folder: Path, text: str) -> list[ModelEntry]:
    """What `models.yaml` with this text gives."""
    path = folder / "models.yaml"
    path.write_text(text)
    return load_models(path)


def entry(folder: Path, text: str) -> ModelEntry:
    """What an entry of these fields, in flow style, gives."""
    return models(folder, f"models: [{{{text}}}]")[0]


def refusal(folder: Path, text: str) -> str:
    """The one line that refuses this `models.yaml`."""
    with pytest.raises(InputError) as error:
        models(folder, text)
    return _one_line(error.value, folder / "models.yaml")


def workload(folder: Path, text: str, name: str = "chat.yaml") -> WorkloadEntry:
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
            ("path: ../weights/model-1.4b", "model-1.4b"),
            ("path: /weights/model.GGUF", "model"),
            ("package: weights, file: inner/model.Q4_1.gguf", "model.Q4_1"),
            ("id: org/model, file: inner/model.Q4_1.gguf", "model.Q4_1"),
            ("id: org/model, file: model.gguf, revision: v2", "model@v2"),
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
        assert line.startswith(
            "entry 1 (org/model): field 'xyzzy': unknown field; known fields: id, revision, revisions, path,"
        )

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
            ("revision", "../../main"),
            ("revision", "/main"),
            ("revisions", "step1000"),
            ("revisions", "[]"),
            ("revisions", ""),
            ("revisions", "{step1000: 1000}"),
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

    @pytest.mark.parametrize(
        ("revision", "message"),
        [
            (
                "1234567",
                "field 'revisions.2': expected a name, in quotes if it is a number, or {revision: name, step: num",
            ),
            (
                "[step2]",
                "field 'revisions.2': expected a name, in quotes if it is a number, or {revision: name, step: num",
            ),
            (
                "true",
                "field 'revisions.2': expected a name, in quotes if it is a number, or {revision: name, step: num",
            ),
            ("''", "field 'revisions.2.revision': string should have at least 1 character, got ''"),
            (
                "../model",
                "field 'revisions.2.revision': must be a plain name or relative path, such as step1000 or run1/",
            ),
            (
                "a/../../b",
                "field 'revisions.2.revision': must be a plain name or relative path, such as step1000 or run1/",
            ),
            ("/etc", "field 'revisions.2.revision': must be a plain name or relative path, such as step1000 or run1/"),
            (
                "./step2",
                "field 'revisions.2.revision': must be a plain name or relative path, such as step1000 or run1/",
            ),
            (
                "step2/",
                "field 'revisions.2.revision': must be a plain name or relative path, such as step1000 or run1/",
            ),
            (".", "field 'revisions.2.revision': must be a plain name or relative path, such as step1000 or run1/"),
            ("a\\b", "field 'revisions.2.revision': must be a plain name or relative path, such as step1000 or run1/"),
            (
                '"a\\0b"',
                "field 'revisions.2.revision': must be a plain name or relative path, such as step1000 or run1/",
            ),
            ("x" * 5000, "field 'revisions.2.revision': string should have at most 255 characters, got 'xxx"),
            ("{step: 2}", "field 'revisions.2.revision': Field required"),
            ("{revision: a, stpe: 2}", "field 'revisions.2.stpe': unknown field; did you mean 'step'?"),
            ("{revision: a, step: -1}", "field 'revisions.2.step': input should be greater than or equal to 0, got -1"),
            ("{revision: a, step: true}", "field 'revisions.2.step': input should be a valid integer, got True"),
            ("{revision: a, step: 1.5}", "field 'revisions.2.step': input should be a valid integer, got 1.5"),
            ("{revision: a, step: 1e3}", "field 'revisions.2.step': input should be a valid integer, got '1e3'"),
            (
                "{revision: a, step: 2000000000000}",
                "field 'revisions.2.step': input should be less than or equal to 1000",
            ),
            ("{1: 2}", "field 'revisions.2.revision': Field required"),
        ],
    )
    def test_checkpoint(self, tmp_path: Path, revision: str, message: str):
        with pytest.raises(InputError) as error:
            models(tmp_path, f"models:\n  - id: org/model\n    revisions:\n      - step1\n      - {revision}\n")
        first = str(error.value).splitlines()[0]
        assert first.startswith(f"{tmp_path / 'models.yaml'}: entry 1 (org/model): {message}")
        assert len(first) < 300

    def test_several_mistakes_are_told_at_once_a_line_each(self, tmp_path: Path):
        with pytest.raises(InputError) as error:
            models(tmp_path, "models:\n  - {id: org/one, stage: x, family: 3}\n  - {id: org/two, dtype: x}\n")
        path = tmp_path / "models.yaml"
        assert [line.partition(": input")[0] for line in str(error.value).splitlines()] == [
            f"{path}: entry 1 (org/one): field 'family'",
            f"{path}: entry 1 (org/one): field 'stage'",
            f"{path}: entry 2 (org/two): field 'dtype'",
        ]


PIECES = "pieces: [{package: a, file: b}, {package: c, file: d}]"


class TestFieldsOfAnEntryDoNotGoTogether:
    """The line names the file, the entry and the fields."""

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ("id: org/model, path: model", "one of 'id', 'path', 'package' or 'pieces' as the source, not 'id' and"),
            ("family: Qwen, name: model", "one of 'id', 'path', 'package' or 'pieces' as the source, not none of"),
            ("path: model, revision: main", "'revision' needs 'id'; local files have no revisions"),
            ("id: org/model, revision: a, revisions: [b]", "'revision' and 'revisions' do not go together; list all"),
            ("package: weights, file: a.gguf, revisions: [b]", "'revisions' needs 'id' or a folder as 'path'; a GGUF"),
            ("path: a.gguf, revisions: [b]", "'revisions' needs 'id' or a folder as 'path'; a GGUF file has none"),
            ("id: org/model, revisions: [a, b, a]", "'revisions' lists 'a' twice; leave one out"),
            (
                "id: org/model, revisions: [a/b, a-b]",
                "'revisions': 'a/b' and 'a-b' make the same name; put one into an",
            ),
            (
                "id: org/model, revisions: [step1, Step1]",
                "'revisions': 'step1' and 'Step1' make the same name; put one",
            ),
            (f"id: org/model, revisions: [{'x' * 95}]", "is longer than 100 characters; give a shorter 'name'"),
            ("package: weights, name: model", "'package' and 'file' belong together"),
            ("path: model, file: model.gguf", "'file' needs 'package' or 'id'; 'path' names the file itself"),
            (
                f"name: model, file: a.gguf, {PIECES}",
                "'file' needs 'package' or 'id'; 'pieces' name files of their own",
            ),
            (f"name: model, id: org/model, {PIECES}", "as the source, not 'id' and 'pieces'"),
            (f"name: model, revisions: [b], {PIECES}", "'revisions' needs 'id' or a folder as 'path'; a GGUF"),
            (PIECES, "the source makes no usable name; give a 'name'"),
            ("name: model, pieces: [{package: a, file: b}]", "'pieces'"),
            ("name: model, pieces: [{package: a, file: b}, {package: a, file: ../b}]", "relative path without '..'"),
            ("id: org/model, file: model.bin", "'file' names a GGUF file of the repository; leave it out for a model"),
            ("id: org/model, file: a.gguf, revisions: [b]", "'revisions' needs 'id' or a folder as 'path'; a GGUF"),
        ],
    )
    def test_source(self, tmp_path: Path, fields: str, message: str):
        line = refusal(tmp_path, f"models: [{{{fields}}}]")
        assert line.startswith("entry 1")
        assert message in line


class TestCheckpoints:
    """Each of `revisions` is a model of its own."""

    def test_of_a_hub_repository_keep_their_order_and_tell_their_steps(self, tmp_path: Path):
        specs = models(
            tmp_path,
            """
            models:
              - id: org/model
                revisions: [step1000, main, step20-tokens1B]
              - id: org/other
            """,
        )
        assert [(spec.name, spec.id, spec.revision, spec.checkpoint, spec.training_step) for spec in specs] == [
            ("model@step1000", "org/model", "step1000", "step1000", 1000),
            ("model@main", "org/model", "main", "main", None),
            ("model@step20-tokens1B", "org/model", "step20-tokens1B", "step20-tokens1B", 20),
            ("other", "org/other", None, None, None),
        ]

    def test_of_a_path_are_its_subfolders(self, tmp_path: Path):
        specs = models(tmp_path, "models:\n  - path: runs/toy\n    revisions: [checkpoint-5, b/checkpoint-6]\n")
        assert [(spec.name, spec.revision, spec.checkpoint, spec.training_step) for spec in specs] == [
            ("toy@checkpoint-5", None, "checkpoint-5", 5),
            ("toy@b-checkpoint-6", None, "b/checkpoint-6", 6),
        ]
        assert [spec.local_path for spec in specs] == [
            tmp_path / "runs" / "toy" / "checkpoint-5",
            tmp_path / "runs" / "toy" / "b" / "checkpoint-6",
        ]

    def test_a_step_that_the_name_does_not_tell(self, tmp_path: Path):
        spec = entry(tmp_path, "id: org/model, revisions: [{revision: a1b2c3d, step: 1000}]")
        assert (spec.name, spec.revision, spec.training_step) == ("model@a1b2c3d", "a1b2c3d", 1000)

    def test_share_what_the_entry_says(self, tmp_path: Path):
        fields = "family: Toys, released: 2024, stage: base, base_model: org/base, parameters: 7, batch_size: 2"
        specs = models(tmp_path, f"models: [{{id: org/model, revisions: [step1, step2], {fields}}}]")
        shared = [
            (spec.family, spec.released, spec.stage, spec.base_model, spec.parameters, spec.batch_size)
            for spec in specs
        ]
        assert shared == [("Toys", "2024", "base", "org/base", 7, 2)] * 2

    def test_take_the_name_of_the_entry(self, tmp_path: Path):
        specs = models(tmp_path, "models: [{id: org/model, name: mine, revisions: [step1, step2]}]")
        assert [spec.name for spec in specs] == ["mine@step1", "mine@step2"]

    def test_an_error_about_one_names_the_field_it_was_written_in(self, tmp_path: Path):
        spec = entry(tmp_path, "id: org/model, revisions: [step1]")
        assert spec.where("revision") == f"{tmp_path}/models.yaml: model@step1: revisions"

    def test_an_entry_may_have_one_revision_and_another_entry_a_list(self, tmp_path: Path):
        specs = models(tmp_path, "models: [{id: org/m, revision: step9}, {id: org/m, revisions: [step1]}, {id: org/m}]")
        assert [(spec.name, spec.checkpoint) for spec in specs] == [
            ("m@step9", None),
            ("m@step1", "step1"),
            ("m", None),
        ]


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

    def test_two_lists_of_checkpoints_that_overlap(self, tmp_path: Path):
        lists = "{id: one/model, revisions: [step1, step2]}, {id: two/model, revisions: [step3, step2, step1]}"
        assert refusal(tmp_path, f"models: [{lists}]") == (
            "entry 2 (two/model): field 'revisions': 'model@step2' is taken by entry 1; give a 'name'"
        )

    def test_a_checkpoint_and_an_entry_of_the_same_revision(self, tmp_path: Path):
        assert refusal(tmp_path, "models: [{id: one/model, revisions: [step1]}, {id: one/model, revision: step1}]") == (
            "entry 2 (one/model): field 'name': 'model@step1' is taken by entry 1; give a 'name'"
        )

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
        assert refusal(tmp_path, f"models:\n  - {item}\n").startswith(
            "entry 1: expected fields, each with a value, got "
        )

    def test_field_that_is_no_text(self, tmp_path: Path):
        line = refusal(tmp_path, "models:\n  - {id: org/model, 1: 2}\n")
        assert line == "entry 1 (org/model): keys should be strings, got 1"

    def test_entry_of_two_lines_is_told_in_one(self, tmp_path: Path):
        assert refusal(tmp_path, 'models:\n  - {id: "org/\\nmodel"}\n').startswith("entry 1: field 'id': ")

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
            ("field: prompt", "field: a\ntarget: b", "give 'target' and 'scorer' together, or neither of them"),
            ("field: prompt", "field: a\nscorer: chrf", "give 'target' and 'scorer' together, or neither of them"),
            ("field: prompt", "field: a\ntarget: b\nscorer: taste", "field 'scorer': input should be 'exact_number'"),
            ("field: prompt", "field: a\nstop: x", "field 'stop': input should be a valid list, got 'x'"),
            ("field: prompt", "field: a\nstop: ['']", "field 'stop.1': string should have at least 1 character"),
            ("kind: chat", "kind: masked\nstop: [x]", "the kind 'masked' has no answer; leave 'target', 'scorer' and"),
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
