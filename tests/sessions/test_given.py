"""Sessions of given texts: decoded once, given back by `--texts`, and what is refused at once."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from many_sessions import Ended, many_sessions

from benchmark.results.versions import inventory


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_tiny: Callable[..., Path]) -> Path:
    """A model, and files of texts."""
    folder = tmp_path_factory.mktemp("given")
    make_tiny(folder / "tiny")
    (folder / "models.yaml").write_text("models: [{path: tiny}]\n")
    (folder / "texts.jsonl").write_text('{"index": 0, "text": " 4"}\n{"index": 1, "text": " The answer is 7."}\n')
    (folder / "others.jsonl").write_text('{"question": "2 + 2", "answer": "4"}\n')
    return folder


@pytest.fixture(scope="module")
def ended(folder: Path, start: Callable[..., subprocess.Popen[str]]) -> dict[str, Ended]:
    """Each session, by what it is about."""
    models: list[Any] = ["--model-file", folder / "models.yaml", "--results-dir", folder / "results"]
    math = [*models, "--workload", "math", "--limit", "2", "--max-new-tokens", "4"]
    texts = ["--texts", folder / "texts.jsonl"]
    return many_sessions(
        start,
        {
            "first": [*math, *texts],
            "again": [*math, *texts],
            "too few": [*models, "--workload", "math", "--limit", "3", *texts, "-k", "exits"],
            "several": [*models, *texts],
            "decoding": [*math, *texts, "--study", "decoding"],
            "masked": [*models, "--workload", "masked_passages", *texts],
            "other fields": [*math, "--texts", folder / "others.jsonl"],
            "missing": [*math, "--texts", folder / "missing.jsonl"],
        },
    )


def test_every_suite_runs_on_given_texts_and_nothing_is_decoded(ended: dict[str, Ended], folder: Path):
    assert ended["first"].code == 0, ended["first"].output
    assert "math* (given)" in ended["first"].output
    (row,) = [found.row for found in inventory(folder / "results") if found.row]
    assert (row.suite, row.capture, row.prompts, row.tokens) == ("oracle", "given", 2, 2 + 4)
    assert row.score_errors is None and row.scorer is None


def test_the_same_command_finds_its_row(ended: dict[str, Ended]):
    assert ended["again"].code == 0 and "0 measured now, 1 rows, 0 failed" in ended["again"].output


def test_a_prompt_without_a_text_fails_the_case_in_one_line(ended: dict[str, Ended]):
    assert ended["too few"].code == 1
    assert "has no text behind prompt math/2; give one for each, or take fewer prompts (--limit)" in (
        ended["too few"].output
    )


@pytest.mark.parametrize(
    ("session", "line"),
    [
        ("several", "--texts: texts are of one workload, and "),
        ("decoding", "--texts: where texts are given, nothing is decoded"),
        ("masked", "masked_passages is of the kind 'masked'"),
        (
            "other fields",
            "has no 'prompt', 'id' or 'index' that says which prompt it is of; its fields: question, answer",
        ),
        ("missing", "missing.jsonl: no such file"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_collected(ended: dict[str, Ended], session: str, line: str):
    assert ended[session].code == pytest.ExitCode.USAGE_ERROR
    (told,) = [said for said in ended[session].output.splitlines() if said.startswith("ERROR")]
    assert line in told
