"""From a workload file to prompts."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.errors import CannotRun, InputError
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.workload_entry import WorkloadEntry, load_workload
from benchmark.models.hub import Hub


class HubWith(Hub):
    """A hub on which every dataset is this file."""

    def __init__(self, path: Path) -> None:
        super().__init__(download=False)
        self.path = path

    def dataset_file(self, spec: WorkloadEntry) -> Path:
        return self.path


NO_HUB = Hub(download=False)


def workload(folder: Path, file: str = "data.jsonl", prompt: str = "field: prompt", source: str = "") -> WorkloadEntry:
    """A workload in `folder` on the data in `file`; `prompt` says what of a record is asked."""
    path = folder / "made_up.yaml"
    path.write_text(
        f"name: made_up\ndescription: made up\nsource: {{file: {file}{source}}}\n{prompt}\nkind: chat\n"
        "prompts: 16\nmax_new_tokens: 8\nlicence: CC0-1.0\n"
    )
    return load_workload(path)


def lines(*records: Any) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def prompts(folder: Path, data: bytes, count: int = 100, **options: str) -> list[str]:
    """The prompts of a workload on these data."""
    spec = workload(folder, **options)
    (folder / spec.source.file).write_bytes(data)
    return texts(spec, count, NO_HUB)


def texts(spec: WorkloadEntry, count: int, hub: Hub) -> list[str]:
    """The prompts as texts."""
    return [prompt.text for prompt in read_prompts(spec, count, hub)]


def refusal(folder: Path, data: bytes, **options: str) -> str:
    """The line that refuses these data, without the name of the workload's file."""
    with pytest.raises(InputError) as error:
        prompts(folder, data, **options)
    file, separator, rest = str(error.value).partition(f"{folder}/made_up.yaml: ")
    assert (file, bool(separator)) == ("", True)
    assert "\n" not in rest
    return rest


def template(text: str) -> str:
    return f"template: {json.dumps(text)}"


class TestRecords:
    """JSONL, gzipped JSONL or Parquet."""

    def test_a_prompt_is_a_field_of_a_record(self, tmp_path: Path):
        assert prompts(tmp_path, lines({"id": 1, "prompt": "One?"}, {"id": 2, "prompt": "Two?"})) == ["One?", "Two?"]

    def test_a_limit_takes_the_first_in_file_order(self, tmp_path: Path):
        data = lines({"prompt": "c"}, {"prompt": "a"}, {"prompt": "b"})
        assert prompts(tmp_path, data, count=2) == ["c", "a"]

    def test_a_limit_above_their_number_takes_all(self, tmp_path: Path):
        assert prompts(tmp_path, lines({"prompt": "a"}), count=10**9) == ["a"]

    def test_blank_lines_are_no_records(self, tmp_path: Path):
        assert prompts(tmp_path, b'\n{"prompt": "a"}\n\n  \n{"prompt": "b"}') == ["a", "b"]

    def test_white_space_around_a_prompt_belongs_to_it(self, tmp_path: Path):
        assert prompts(tmp_path, lines({"prompt": "def f():\n    "})) == ["def f():\n    "]

    def test_gzipped_lines(self, tmp_path: Path):
        data = gzip.compress(lines({"prompt": "äöü"}))
        assert prompts(tmp_path, data, file="data.jsonl.gz") == ["äöü"]

    def test_parquet_from_the_hub(self, tmp_path: Path):
        records = [{"translation": {"de": "Eins"}}, {"translation": {"de": "Zwei"}}, {"translation": {"de": "Drei"}}]
        pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet")
        spec = workload(tmp_path, "a.parquet", template("Say {translation[de]}"), source=", id: org/data")
        assert texts(spec, 2, HubWith(tmp_path / "a.parquet")) == ["Say Eins", "Say Zwei"]

    def test_parquet_beside_the_workload(self, tmp_path: Path):
        pq.write_table(pa.table({"prompt": ["One?"]}), tmp_path / "data.parquet")
        assert texts(workload(tmp_path, "data.parquet"), 5, NO_HUB) == ["One?"]

    def test_lines_from_the_hub(self, tmp_path: Path):
        (tmp_path / "a.jsonl").write_bytes(lines({"prompt": "One?"}))
        spec = workload(tmp_path, "a.jsonl", source=", id: org/data")
        assert texts(spec, 5, HubWith(tmp_path / "a.jsonl")) == ["One?"]

    def test_gzipped_lines_from_the_hub(self, tmp_path: Path):
        (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines({"prompt": "One?"})))
        spec = workload(tmp_path, "a.jsonl.gz", source=", id: org/data")
        assert texts(spec, 5, HubWith(tmp_path / "a.jsonl.gz")) == ["One?"]


class TestDataThatCannotBeUsed:
    """The line names the workload's file, its field, and what is wrong."""

    def test_missing_field(self, tmp_path: Path):
        assert refusal(tmp_path, lines({"prompt": "a"}, {"id": 1, "text": "b"})) == (
            "field: record 2 has no 'prompt'; its fields: id, text"
        )

    @pytest.mark.parametrize("prompt", ["", " ", "\n\t"])
    def test_empty_prompt(self, tmp_path: Path, prompt: str):
        assert refusal(tmp_path, lines({"prompt": prompt})) == "field: record 1 gives an empty prompt"

    @pytest.mark.parametrize(("prompt", "kind"), [(3, "int"), (None, "NoneType"), (["a"], "list")])
    def test_prompt_that_is_no_text(self, tmp_path: Path, prompt: object, kind: str):
        assert refusal(tmp_path, lines({"prompt": prompt})) == f"field: record 1 is not a text, but {kind}"

    @pytest.mark.parametrize("data", [b"", b"\n\n"])
    def test_no_prompts(self, tmp_path: Path, data: bytes):
        assert refusal(tmp_path, data) == "source: there are no prompts in it"

    @pytest.mark.parametrize("record", ["a", 3, ["a"], None])
    def test_record_without_fields(self, tmp_path: Path, record: object):
        assert refusal(tmp_path, lines(record)) == "source: record 1 is not an object with fields"

    def test_broken_line(self, tmp_path: Path):
        line = refusal(tmp_path, b'{"prompt": "a"}\n\n{"prompt": "b"')
        assert line.startswith("source.file: data.jsonl line 3 is not JSON: ")

    def test_line_nested_without_end(self, tmp_path: Path):
        line = refusal(tmp_path, b"[" * 200_000)
        assert line.startswith("source.file: data.jsonl line 1 is not JSON: ")

    def test_no_text(self, tmp_path: Path):
        assert "data.jsonl cannot be read: " in refusal(tmp_path, b"\xff\xfe\x00")

    def test_missing_file(self, tmp_path: Path):
        with pytest.raises(InputError, match=r"made_up\.yaml: source\.file: .*data\.jsonl cannot be read"):
            read_prompts(workload(tmp_path), 5, NO_HUB)

    def test_gzip_that_breaks_off(self, tmp_path: Path):
        whole = _large_gzip()
        line = refusal(tmp_path, whole[: len(whole) // 2], file="data.jsonl.gz")
        assert "data.jsonl.gz cannot be read: Compressed file ended" in line

    def test_gzip_with_flipped_bits(self, tmp_path: Path):
        damaged = bytearray(_large_gzip())
        damaged[len(damaged) // 2 : len(damaged) // 2 + 40] = bytes(40)
        assert "data.jsonl.gz cannot be read: " in refusal(tmp_path, bytes(damaged), file="data.jsonl.gz")

    def test_gzip_that_is_none(self, tmp_path: Path):
        assert "data.jsonl.gz cannot be read: " in refusal(tmp_path, lines({"prompt": "a"}), file="data.jsonl.gz")

    @pytest.mark.parametrize("data", [b"", b"PAR1", b"no such thing"])
    def test_damaged_parquet_from_the_hub(self, tmp_path: Path, data: bytes):
        (tmp_path / "a.parquet").write_bytes(data)
        spec = workload(tmp_path, "a.parquet", source=", id: org/data")
        with pytest.raises(InputError, match=r"made_up\.yaml: source\.file: .*a\.parquet cannot be read"):
            read_prompts(spec, 5, HubWith(tmp_path / "a.parquet"))

    def test_file_of_a_kind_that_is_not_known(self, tmp_path: Path):
        spec = workload(tmp_path, "a.xlsx", source=", id: org/data")
        with pytest.raises(InputError, match=r"source\.file: 'a\.xlsx' is none of .*\.parquet"):
            read_prompts(spec, 5, HubWith(tmp_path / "a.xlsx"))

    def test_package_that_is_not_installed(self, tmp_path: Path):
        spec = workload(tmp_path, source=", package: no-such-package")
        with pytest.raises(CannotRun) as skip:
            read_prompts(spec, 5, NO_HUB)
        assert str(skip.value) == "package no-such-package is not installed; pip install no-such-package"

    def test_file_that_is_not_in_its_package(self, tmp_path: Path):
        spec = workload(tmp_path, source=", package: numpy")
        with pytest.raises(InputError, match=r"source\.file: .*data\.jsonl cannot be read"):
            read_prompts(spec, 5, NO_HUB)


def _large_gzip() -> bytes:
    """Records that hardly compress, so that half of the file is damaged in the middle of them."""
    return gzip.compress(lines(*({"prompt": f"{number} {number**70}"} for number in range(100, 199))))


class TestTemplate:
    """`str.format` over the record's fields, and no more than that."""

    @pytest.mark.parametrize(
        ("text", "record", "prompt"),
        [
            ("Question: {question}", {"question": "Why?"}, "Question: Why?"),
            ("{a} and {b}", {"a": "one", "b": "two", "c": "three"}, "one and two"),
            ("{turns[0]}", {"turns": ["first", "second"]}, "first"),
            ("{translation[de]}", {"translation": {"de": "Hallo"}}, "Hallo"),
            ("{grid[1][0]}", {"grid": [["a"], ["b"]]}, "b"),
            ("{number} apples", {"number": 12}, "12 apples"),
            ("{{{code}}}", {"code": "x"}, "{x}"),
            ("{code}", {"code": "{not_a_field}"}, "{not_a_field}"),
        ],
    )
    def test_allowed(self, tmp_path: Path, text: str, record: dict[str, Any], prompt: str):
        assert prompts(tmp_path, lines(record), prompt=template(text)) == [prompt]

    @pytest.mark.parametrize(
        "text",
        [
            "{x.__class__}",
            "{x.__class__.__mro__}",
            "{x.upper}",
            "{n.real}",
            "{x[__class__]}",
            "{x[0].__class__}",
            "{x:>999999999}",
            "{x:{n}}",
            "{x!r:>999999999}",
            "{n:999999999d}",
            "{n:,}",
            "{0}",
            "{}",
        ],
    )
    def test_reaching_into_objects_and_padding_are_refused(self, tmp_path: Path, text: str):
        line = refusal(tmp_path, lines({"x": "text", "n": 999999999}), prompt=template(text))
        assert line.startswith("template: record 1 has no ")
        assert len(line) < 200

    def test_missing_field(self, tmp_path: Path):
        assert refusal(tmp_path, lines({"text": "a"}), prompt=template("{question}")) == (
            "template: record 1 has no 'question'; its fields: text"
        )

    @pytest.mark.parametrize("value", ["", " ", None, [], ["a"], {"a": "b"}])
    def test_field_without_text(self, tmp_path: Path, value: object):
        line = refusal(tmp_path, lines({"x": value}), prompt=template("Question: {x}"))
        assert line.startswith("template: record 1 has no text in 'x'")

    @pytest.mark.parametrize("text", ["{turns[5]}", "{turns[first]}"])
    def test_place_that_is_not_there_is_named(self, tmp_path: Path, text: str):
        line = refusal(tmp_path, lines({"turns": ["only"]}), prompt=template(text))
        assert line.startswith("template: record 1 has no ")
        assert text.strip("{}") in line

    @pytest.mark.parametrize("text", ["{x", "x}", "{x[0}", "{x!z}"])
    def test_template_that_is_none_is_not_blamed_on_the_record(self, tmp_path: Path, text: str):
        line = refusal(tmp_path, lines({"x": "a"}), prompt=template(text))
        assert line.startswith("template: ")
        assert "record 1 has no" not in line


def test_prompts_are_numbered_within_their_workload(tmp_path: Path):
    spec = workload(tmp_path)
    (tmp_path / "data.jsonl").write_bytes(lines({"prompt": "a"}, {"prompt": "b"}))
    assert [prompt.id for prompt in read_prompts(spec, 5, NO_HUB)] == ["made_up/0", "made_up/1"]


def test_of_a_large_parquet_file_only_the_head_is_read(tmp_path: Path):
    """What lies behind it may be damaged."""
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"prompt": [f"number {n}" for n in range(100_000)]}), path, row_group_size=1000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 100] = bytes(100)
    path.write_bytes(content)
    assert texts(workload(tmp_path, "data.parquet"), 3, NO_HUB) == ["number 0", "number 1", "number 2"]


def scored(folder: Path, target: str, record: dict[str, Any]) -> tuple[str, ...]:
    """The reference answers of a record."""
    spec = workload(folder, prompt=f"field: q\ntarget: {json.dumps(target)}\nscorer: exact_answer")
    (folder / "data.jsonl").write_bytes(lines({"q": "Why?"} | record))
    (prompt,) = read_prompts(spec, 5, NO_HUB)
    return prompt.targets


class TestReferenceAnswers:
    """A field or a template of the record."""

    @pytest.mark.parametrize(
        ("target", "record", "references"),
        [
            ("answer", {"answer": "because"}, ("because",)),
            ("answer", {"answer": 18}, ("18",)),
            ("answer", {"answer": ["a", 2.5]}, ("a", "2.5")),
            ("{answers[text]}", {"answers": {"text": ["a", "b"]}}, ("a", "b")),
            ("{translation[en]}", {"translation": {"en": "One"}}, ("One",)),
            ("{lists[1]}", {"lists": [["a"], ["b", "c"]]}, ("b", "c")),
            ("{test}\ncheck({name})", {"test": "x = {}", "name": "f"}, ("x = {}\ncheck(f)",)),
            ("{{{answer}}}", {"answer": "x"}, ("{x}",)),
        ],
    )
    def test_are_texts(self, tmp_path: Path, target: str, record: dict[str, Any], references: tuple[str, ...]):
        assert scored(tmp_path, target, record) == references

    def test_without_a_target_there_are_none(self, tmp_path: Path):
        spec = workload(tmp_path)
        (tmp_path / "data.jsonl").write_bytes(lines({"prompt": "a"}))
        (prompt,) = read_prompts(spec, 1, NO_HUB)
        assert (prompt.targets, prompt.stop) == ((), ())

    @pytest.mark.parametrize(
        ("target", "record", "problem"),
        [
            ("answer", {"a": "b"}, "record 1 has no 'answer'; its fields: q, a"),
            ("{answers[text]}", {"answers": {"label": []}}, "record 1 has no 'answers[text]'; its fields: q, answers"),
            ("{a.__class__}", {"a": "b"}, "record 1 has no field 'a.__class__' that a template may name; its fields"),
            ("So: {a}", {"a": ["b"]}, "record 1 has no text in 'a'; its fields: q, a"),
            ("{a", {"a": "b"}, "not usable as a template: "),
            ("a", {"a": ""}, "record 1 has an empty reference answer; give it one, or leave it out"),
            ("a", {"a": []}, "record 1 has an empty reference answer"),
            ("{a}", {"a": ["b", " "]}, "record 1 has an empty reference answer"),
            ("a", {"a": None}, "record 1: a reference answer is a text or a number, not NoneType"),
            ("a", {"a": True}, "record 1: a reference answer is a text or a number, not bool"),
            ("a", {"a": ["b", {}]}, "record 1: a reference answer is a text or a number, not dict"),
            ("{a}", {"a": {"b": "c"}}, "record 1: a reference answer is a text or a number, not dict"),
        ],
    )
    def test_that_cannot_be_had_are_named(self, tmp_path: Path, target: str, record: dict[str, Any], problem: str):
        with pytest.raises(InputError) as error:
            scored(tmp_path, target, record)
        assert str(error.value).startswith(f"{tmp_path}/made_up.yaml: target: {problem}")
        assert "\n" not in str(error.value)


def test_stop_strings_go_to_every_prompt(tmp_path: Path):
    spec = workload(tmp_path, prompt='field: prompt\nstop: ["Question:", "\\n"]')
    (tmp_path / "data.jsonl").write_bytes(lines({"prompt": "a"}, {"prompt": "b"}))
    assert [prompt.stop for prompt in read_prompts(spec, 5, NO_HUB)] == [("Question:", "\n")] * 2
