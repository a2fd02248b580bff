"""Sessions in two phases: a case in one engine is not one in the other, and what has no two phases is said."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from many_sessions import Ended, many_sessions

from benchmark.results.versions import inventory
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_tiny: Callable[..., Path]) -> Path:
    """A model that writes, one that fills in masks, and a file of texts."""
    folder = tmp_path_factory.mktemp("engines")
    make_tiny(folder / "tiny")
    tiny_model("modernbert", "masked").save_pretrained(folder / "encoder")
    tiny_tokenizer().save_pretrained(folder / "encoder")
    (folder / "models.yaml").write_text("models: [{path: tiny}, {path: encoder}]\n")
    (folder / "texts.jsonl").write_text('{"index": 0, "text": " 4"}\n{"index": 1, "text": " The answer is 7."}\n')
    return folder


@pytest.fixture(scope="module")
def ended(folder: Path, start: Callable[..., subprocess.Popen[str]]) -> dict[str, Ended]:
    """Each session, by what it is about."""
    models: list[Any] = ["--model-file", folder / "models.yaml", "--results-dir", folder / "results", "--device", "cpu"]
    math = [*models, "--workload", "math", "--limit", "2", "--max-new-tokens", "4", "--study", "oracle"]
    phases = ["--engine", "two-phase"]
    return many_sessions(
        start,
        {
            "phases": [*math, *phases],
            "again": [*math, *phases],
            "steps": math,
            "masked": [*models, "--workload", "masked_passages", *phases, "--study", "oracle", "-k", "exits", "-rs"],
            "given": [*math, *phases, "--texts", folder / "texts.jsonl"],
        },
    )


def test_each_engine_has_a_row_and_finds_it_again(ended: dict[str, Ended], folder: Path):
    assert [ended[name].code for name in ("phases", "again", "steps")] == [0, 0, 0], ended["phases"].output
    assert "0 measured now, 1 rows, 0 failed" in ended["again"].output
    rows = [found.row for found in inventory(folder / "results") if found.row]
    assert {row.engine for row in rows} == {"generate", "two-phase"}
    assert len({(row.tokens, tuple(row.exit_share or ())) for row in rows}) == 1


def test_masked_tokens_are_skipped_with_the_reason(ended: dict[str, Ended]):
    assert "two phases are for texts that the model writes, not for masked tokens" in ended["masked"].output


def test_given_texts_are_refused_in_one_line(ended: dict[str, Ended]):
    assert ended["given"].code == 4
    line = "engine: two phases are for texts that the model writes, and these are given; leave it out"
    assert line in ended["given"].output
