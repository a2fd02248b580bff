"""Texts of another engine, from files as people write them, and what is said of those that cannot be used."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.errors import InputError
from benchmark.inputs.data.texts import read_texts, refuse_texts, with_texts
from benchmark.inputs.prompt import Prompt
from benchmark.inputs.workload_entry import WorkloadEntry, WorkloadSource

PROMPTS = tuple(Prompt(id=f"sums/{number}", messages=f"{number} + {number} =") for number in range(3))


def written(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def refusal(path: Path, records: list[Any], count: int = 3) -> str:
    with pytest.raises(InputError) as error:
        with_texts(PROMPTS, read_texts(written(path, records)), count, str(path))
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path}: ")


def test_a_text_is_of_the_prompt_that_its_record_names(tmp_path: Path):
    records = [{"index": 2, "text": "4"}, {"id": "sums/0", "token_ids": [5, 6]}, {"prompt": "1 + 1 =", "text": " 2"}]
    prompts = with_texts(PROMPTS, read_texts(written(tmp_path / "a.jsonl", records)), 3, "a")
    assert [(prompt.given.text, prompt.given.token_ids) for prompt in prompts] == [
        (None, (5, 6)),
        (" 2", None),
        ("4", None),
    ]
    assert [prompt.id for prompt in prompts] == [prompt.id for prompt in PROMPTS]


def test_parquet_is_read_as_json_lines_are(tmp_path: Path):
    records = [{"index": 0, "text": None, "token_ids": [5, 6]}, {"index": 1, "text": "x", "token_ids": None}]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet")
    first, second = read_texts(tmp_path / "a.parquet")
    assert (first.given.token_ids, second.given.text) == ((5, 6), "x")


def test_prompts_that_are_not_taken_may_have_a_text(tmp_path: Path):
    records = [{"index": number, "text": "x"} for number in range(3)]
    assert len(with_texts(PROMPTS, read_texts(written(tmp_path / "a.jsonl", records)), 2, "a")) == 2


@pytest.mark.parametrize(
    ("records", "line"),
    [
        (
            [{"question": "1", "answer": "2"}],
            "record 1 has no 'prompt', 'id' or 'index' that says which prompt it is of",
        ),
        ([{"index": 0, "answer": "2"}], "record 1 has no 'text' and no 'token_ids'; its fields: index, answer"),
        ([{"index": 0, "text": ""}], "record 1: the text is empty"),
        ([{"index": 0, "token_ids": []}], "record 1: the text is empty"),
        ([{"index": 0, "text": 7}], "record 1: the text must be a text, not 7"),
        ([{"index": 0, "token_ids": [1, -1]}], "record 1: the token ids must be a list of whole numbers"),
        ([{"index": 0, "token_ids": [1, True]}], "record 1: the token ids must be a list of whole numbers"),
        ([{"index": 0, "token_ids": "12"}], "record 1: the token ids must be a list of whole numbers"),
        ([{"index": "0", "text": "x"}], "record 1: 'index' must be a whole number, not '0'"),
        ([{"index": 3, "text": "x"}], "record 1: no prompt of the workload is 3"),
        ([{"prompt": "2 + 3 =", "text": "x"}], "record 1: no prompt of the workload is '2 + 3 ='"),
        ([{"index": 0, "text": "x"}, {"id": "sums/0", "text": "y"}], "record 2 is behind the same prompt as record 1"),
        ([{"index": 1, "text": "x"}], "has no text behind prompt sums/0 and 1 more"),
        ([], "has no text behind prompt sums/0 and 2 more"),
        (["x"], "record 1 is not an object with fields"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, records: list[Any], line: str):
    assert refusal(tmp_path / "a.jsonl", records).startswith(line)


def test_a_prompt_that_is_there_twice_must_be_told_apart(tmp_path: Path):
    twice = (*PROMPTS[:1], PROMPTS[0].model_copy(update={"id": "sums/1"}))
    texts = read_texts(written(tmp_path / "a.jsonl", [{"prompt": "0 + 0 =", "text": "0"}]))
    with pytest.raises(InputError, match="2 prompts of the workload are '0 \\+ 0 ='; say which with 'index'"):
        with_texts(twice, texts, 2, "a")


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("missing.jsonl", None, "no such file"),
        ("a.txt", b"x", "is none of .jsonl, .jsonl.gz, .parquet"),
        ("a.jsonl", b"{", "line 1 is not JSON"),
        ("a.jsonl", b"\xff\xfe", "cannot be read"),
        ("a.parquet", b"PAR1 nonsense", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str, content: bytes | None, line: str):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=line) as error:
        read_texts(tmp_path / name)
    assert "\n" not in str(error.value)


def test_names_of_fields_do_not_move_the_cursor(tmp_path: Path):
    assert "\x1b" not in refusal(tmp_path / "a.jsonl", [{"\x1b[2J": "x"}])


@pytest.mark.parametrize("kind", ["masked", "text"])
def test_a_workload_that_has_texts_of_its_own_takes_no_others(kind: str):
    fields = {"field": "x"} if kind == "masked" else {"continuation": "x"}
    source = WorkloadSource(file="a.jsonl")
    about = {"name": "some", "description": "", "licence": "", "prompts": 1, "max_new_tokens": 1}
    with pytest.raises(InputError, match=f"some is of the kind '{kind}'"):
        refuse_texts(WorkloadEntry(source=source, kind=kind, **about, **fields))


def test_numbers_of_numpy_are_no_token_ids_in_json():
    """What Python gives is checked as what files have."""
    from benchmark.inputs.data.texts import continuation

    with pytest.raises(ValueError, match="whole numbers"):
        continuation(None, [np.float64(1.0)])
