"""Which texts the lens shows, and what it says of a layer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import LAYERS, write_case
from strategies import row_of, trace_of

from benchmark.report.board.ranking import arrange
from benchmark.report.board.rows import read_entries
from benchmark.report.leaderboard.lens import LENSES, PROMPTS, Lens, lens_data, lenses, settled_from, state_of
from benchmark.results.store import Store


def shown(folder: Path) -> tuple[list[Lens], int]:
    return lenses(folder, arrange(read_entries(folder, limited=False).entries).lines)


def write(folder: Path, models: str, workloads: str, **columns: Any) -> None:
    for model in models:
        for workload in workloads:
            write_case(folder, model, workload, 0.5, **columns)


def write_trace(folder: Path, predictions: list[list[int]], **arrays: Any) -> None:
    store, row = Store(folder), row_of(num_layers=len(predictions[0]), architecture="dense", skip_ratio=0.1, eas=0.1)
    store.write(store.path("tiny", "chat", "oracle", row.configuration), row, trace_of(predictions, **arrays))


def test_a_layer_says_its_own_token(tmp_path: Path):
    write_trace(tmp_path, [[7, 9, 5], [5, 5, 9]])
    ((lens,), unreadable) = shown(tmp_path)
    # 7 was written nowhere, so that its text is not known; 5 and 9 were, as the tokens of the last layer.
    assert lens.said == [["#7", " 9", " 5"], [" 5", " 5", " 9"]]
    assert (lens.tokens, lens.num_layers, lens.shortened, unreadable) == ([" 5", " 9"], 3, False, 0)


def test_what_was_not_kept_is_not_made_up(tmp_path: Path):
    write_trace(tmp_path, [[7, 5], [9, 9]], sampled=np.array([False, True]))
    ((lens,), _) = shown(tmp_path)
    assert lens.said == [None, [" 9", " 9"]]
    assert lens.ranks == [None, [1, 1]]
    assert lens.signals[0] is None


def test_the_data_are_plain_and_short(tmp_path: Path):
    write_trace(tmp_path, [[9, 5, 5]], max_prob=[[0.126, 0.5, 1.0]], entropy=[[3.14, 1.0, 0.0]])
    ((lens,), _) = shown(tmp_path)
    data = lens_data(lens, 3)
    assert (data["row"], data["layers"], data["matches"]) == (3, 3, ["011"])
    assert [data["words"][word] for word in data["said"][0]] == ["#9", " 5", " 5"]
    assert data["signals"] == [[[13, 50, 100], [100, 100, 100], [31, 10, 0]]]


@pytest.mark.parametrize(
    ("matches", "settled", "states"),
    [
        ([False, False, True], 3, ["other", "other", "settled"]),
        ([True, False, True], 3, ["contradicted", "other", "settled"]),
        ([False, True, True], 2, ["other", "settled", "settled"]),
        ([True, True, True], 1, ["settled", "settled", "settled"]),
    ],
)
def test_the_state_of_a_layer(matches: list[bool], settled: int, states: list[str]):
    assert settled_from(matches) == settled
    assert [state_of(matches, layer) for layer in range(1, len(matches) + 1)] == states


def test_models_stand_beside_each_other_on_the_same_prompts(tmp_path: Path):
    write(tmp_path, "ab", "xy")
    found, _ = shown(tmp_path)
    assert len(found) == 2 * 2 * PROMPTS
    of = {
        model: {(lens.entry.row.workload, lens.prompt) for lens in found if lens.entry.row.model == model}
        for model in "ab"
    }
    assert of["a"] == of["b"]


def test_there_are_never_more_than_a_page_can_hold(tmp_path: Path):
    write(tmp_path, "abcdefghij", "xyz")
    found, _ = shown(tmp_path)
    assert len(found) == LENSES


@pytest.mark.parametrize("content", [None, b"", b"another row's tokens"])
def test_tokens_that_cannot_be_read_are_counted(content: bytes | None, tmp_path: Path):
    write(tmp_path, "ab", "x")
    (tokens,) = (tmp_path / "a").rglob("*.parquet")
    tokens.unlink() if content is None else tokens.write_bytes(content)
    found, unreadable = shown(tmp_path)
    assert ({lens.entry.row.model for lens in found}, unreadable) == ({"b"}, 1)


def test_the_exits_are_those_of_the_trace(tmp_path: Path):
    write(tmp_path, "a", "x")
    (first, *_), _ = shown(tmp_path)
    # The first of four prompts has two tokens, both 0.04 deeper than the mean of 0.5.
    assert [settled_from(matches) for matches in first.matches.tolist()] == [27, 27]
    assert first.num_layers == LAYERS
