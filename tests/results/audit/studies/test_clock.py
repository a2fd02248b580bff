"""Rows of the study of the clock: what is planted into an honest one is found, and named by its column."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measured import measure
from submissions import named_of_small_run

from benchmark.inputs.settings import ClockSettings, GatedSettings
from benchmark.results.recompute import recompute
from benchmark.results.store import sha256
from benchmark.trace.timed import Clocked, Timed

SMALL = {"limit": 4, "max_new_tokens": 6}


class TimedRow:
    """A copy of an honest row and its record, to plant something into."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tokens = path.with_suffix(".parquet")

    @property
    def record(self) -> Timed:
        return Timed.read_parquet(self.tokens)

    @property
    def clocked(self) -> Clocked:
        return self.record.clocked

    def edit(self, **columns: Any) -> None:
        """Change columns of the row and nothing else."""
        self.path.write_text(json.dumps(json.loads(self.path.read_text()) | columns))

    def forge(self, **changed: Any) -> None:
        """Change the record, and all columns that follow from it."""
        self.replace(**changed)
        list(recompute(self.path.parent))
        (self.path.parent / "table.csv").unlink(missing_ok=True)

    def replace(self, **changed: Any) -> None:
        """Change the record, and its hash."""
        replace(self.record, **changed).write_parquet(self.tokens)
        self.edit(token_records_sha256=sha256(self.tokens))

    def way(self, name: str, **changed: Any) -> None:
        """Change one way that was timed; without changes, leave it away."""
        others = [timing for timing in self.clocked.timings if timing.way != name]
        (timing,) = [timing for timing in self.clocked.timings if timing.way == name]
        timings = [*others, replace(timing, **changed)] if changed else others
        self.forge(clocked=replace(self.clocked, timings=tuple(timings)))

    def drafted(self, **changed: Any) -> None:
        first, *others = self.clocked.drafted
        self.forge(clocked=replace(self.clocked, drafted=(replace(first, **changed), *others)))

    def late(self, **changed: Any) -> None:
        assert self.clocked.late is not None
        self.forge(clocked=replace(self.clocked, late=replace(self.clocked.late, **changed)))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An honest case, one text at a time."""
    folder = tmp_path_factory.mktemp("world")
    measure(folder, clock=ClockSettings(gate=GatedSettings.of("margin=0.3", "recompute")), **SMALL)
    return folder / "results"


@pytest.fixture
def planted(world: Path, tmp_path: Path) -> TimedRow:
    shutil.copytree(world, tmp_path / "results")
    (path,) = (tmp_path / "results").rglob("*.json")
    (tmp_path / "results" / "table.csv").unlink()
    return TimedRow(path)


def changed(array: np.ndarray, value: Any, place: int = 0) -> np.ndarray:
    array = array.copy()
    array[place] = value
    return array


PLANTS: dict[str, tuple[Callable[[TimedRow], object], str]] = {
    "edited speedup": (lambda c: c.edit(replay_speedup=9.0), "replay_speedup"),
    "edited bound": (lambda c: c.edit(replay_bound=9.0), "replay_bound"),
    "edited share of the bound": (lambda c: c.edit(realised=1.0), "realised"),
    "edited skip ratio": (lambda c: c.edit(skip_ratio=0.99), "skip_ratio"),
    "edited fidelity": (lambda c: c.edit(deferred_same_until=0.123), "deferred_same_until"),
    "another number of rounds": (lambda c: c.edit(rounds_asked=4), "rounds_asked"),
    "no rounds": (lambda c: c.edit(rounds_asked=None), "rounds_asked"),
    "fewer that may wait": (lambda c: c.edit(max_pending=1), "configuration"),
    "another batch": (lambda c: c.edit(batch_size_asked=4), "alone_missing"),
    "wrong token count": (lambda c: c.edit(tokens=99), "tokens"),
    "a gate that is not one": (lambda c: c.edit(gate="oracle", threshold_asked=None), "gate"),
    "no gate": (lambda c: c.edit(gate=None), "gate"),
    "no threshold": (lambda c: c.edit(threshold=None), "threshold"),
    "another machine": (lambda c: c.edit(accelerator="a faster one"), "configuration"),
    "another study": (lambda c: c.edit(suite="decoding"), ""),
    "columns of another study": (lambda c: c.edit(eas=0.5), "eas"),
    "seconds of another study": (lambda c: c.edit(oracle_seconds=1.0), "oracle_seconds"),
    "a reason for what was timed": (lambda c: c.edit(drafted_missing="none"), "drafted_missing"),
    "a way less": (
        lambda c: c.replace(clocked=replace(c.clocked, timings=c.clocked.timings[1:])),
        "token_records_sha256",
    ),
    "a way of deferral less": (lambda c: c.way("deferred_oracle"), "deferred_speedup"),
    "a gate that was not timed": (lambda c: c.way("deferred_gate"), "deferred_pending"),
    "other steps": (lambda c: c.way("full", steps=(5, 5, 5, 4)), "group"),
    "a batch less": (
        lambda c: c.way("generate", groups=(0, 1, 2), steps=(5, 5, 5), seconds=((1.0, 1.0, 1.0),) * 3),
        "group",
    ),
    "a round less": (lambda c: c.way("generate", seconds=((1.0,) * 4,) * 2), "rounds_asked"),
    "one text that leaves alone": (
        lambda c: c.forge(
            clocked=replace(c.clocked, timings=(*c.clocked.timings, replace(c.clocked.timings[2], way="replay_alone")))
        ),
        "replay_speedup_alone",
    ),
    "rounds that are fewer than can be": (lambda c: c.drafted(rounds=1), "drafted_rounds"),
    "drafts of the last layer": (lambda c: c.drafted(exit_layer=4), "drafted_exit_layers"),
    "steps that nobody waited behind": (lambda c: c.late(pending=(1,)), "deferred_pending"),
    "exits of fewer layers": (lambda c: c.late(exits=(20,)), "deferred_exit_layer_mean"),
    "more same tokens than there are": (lambda c: c.late(same=99), "deferred_same_until"),
    "a token that was not replayed": (lambda c: c.forge(replayed=changed(c.record.replayed, False)), "replayed"),
    "an exit beyond the last layer": (lambda c: c.replace(exit_layer=changed(c.record.exit_layer, 9)), "exit_layer"),
    "a token beyond the vocabulary": (lambda c: c.forge(token=changed(c.record.token, 10**6)), "token"),
    "a position left out": (lambda c: c.forge(position=c.record.position + 1), "position"),
    "a prompt that was not taken": (lambda c: c.forge(prompt=c.record.prompt + 1), "prompt"),
    "a text in two batches": (lambda c: c.forge(group=changed(c.record.group, (c.record.group[0] + 1) % 4)), "group"),
    "batches that do not count up": (lambda c: c.forge(group=c.record.group + 1), "group"),
    "the record of another model": (lambda c: c.forge(clocked=replace(c.clocked, num_layers=5)), "num_layers"),
    "truncated": (lambda c: c.tokens.write_bytes(c.tokens.read_bytes()[:-100]), "token_records_sha256"),
    "missing": (lambda c: c.tokens.unlink(), "token_records_sha256"),
}


def test_nothing_is_found_before(planted: TimedRow, tmp_path: Path):
    assert named_of_small_run(tmp_path / "results") == set()


@pytest.mark.parametrize("plant", PLANTS)
def test_what_is_planted_is_found(plant: str, planted: TimedRow, tmp_path: Path):
    act, column = PLANTS[plant]
    act(planted)
    assert column in named_of_small_run(tmp_path / "results")


def test_a_row_of_a_batch_says_why_nobody_left_alone(tmp_path: Path):
    path = measure(tmp_path, clock=ClockSettings(batch_size=2), **SMALL)
    assert named_of_small_run(tmp_path / "results") == set()
    case = TimedRow(path)
    case.way("replay_alone")
    assert "alone_missing" in named_of_small_run(tmp_path / "results")
