"""Which texts are shown, and what of them."""

from pathlib import Path
from typing import Any

import pytest
from folders import LAYERS, write_case

from benchmark.report.board.ranking import arrange
from benchmark.report.board.rows import read_entries
from benchmark.report.leaderboard.texts import TEXTS, Sample, samples


def shown(folder: Path) -> tuple[list[Sample], int]:
    return samples(folder, arrange(read_entries(folder, limited=False).entries).lines)


def write(folder: Path, models: str, workloads: str, **columns: Any) -> None:
    for model in models:
        for workload in workloads:
            write_case(folder, model, workload, 0.5, **columns)


def test_a_text_is_the_first_prompt_with_the_exits_of_its_tokens(tmp_path: Path):
    write(tmp_path, "a", "x")
    ((sample,), unreadable) = shown(tmp_path)
    # The first of four prompts has two tokens, both 0.04 deeper than the mean of 0.5.
    assert (sample.num_layers, sample.tokens) == (LAYERS, [(" 1", 27, 27), (" 1", 27, 27)])
    assert (sample.shortened, unreadable) == (False, 0)


def test_models_take_turns_with_different_workloads(tmp_path: Path):
    write(tmp_path, "abc", "xyz")
    texts, _ = shown(tmp_path)
    order = [(text.entry.row.model, text.entry.row.workload) for text in texts]
    assert order[:4] == [("a", "x"), ("b", "y"), ("c", "z"), ("a", "y")]
    assert len(set(order)) == 9


def test_there_are_never_more_than_a_page_can_hold(tmp_path: Path):
    write(tmp_path, "abcdefghij", "xyz")
    texts, _ = shown(tmp_path)
    assert len(texts) == TEXTS


@pytest.mark.parametrize("content", [None, b"", b"another row's tokens"])
def test_tokens_that_cannot_be_read_are_counted(content: bytes | None, tmp_path: Path):
    write(tmp_path, "ab", "x")
    (tokens,) = (tmp_path / "a").rglob("*.parquet")
    tokens.unlink() if content is None else tokens.write_bytes(content)
    texts, unreadable = shown(tmp_path)
    assert ([text.entry.row.model for text in texts], unreadable) == (["b"], 1)
