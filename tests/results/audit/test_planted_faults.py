"""Frauds and accidents: each is planted into an honest row, and the check names its column."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import read_row
from measured import measure
from plants import PLANTS
from submissions import FULL, Submission, faulty, honest_world, verdicts

from benchmark.metrics.experiments import EXPERIMENTS, score
from benchmark.results.audit.columns import other_columns
from benchmark.results.row import Row
from benchmark.results.store import read_tokens, sha256
from benchmark.trace.costs import costs_of_columns
from benchmark.trace.record import Trace


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two honest cases, of `tiny` and of `other`."""
    return honest_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Row of a run with `--limit 3`."""
    return measure(tmp_path_factory.mktemp("limited"), limit=3, **FULL)


class TestPlantedFaults:
    """Each is planted into an honest row, and named by its column."""

    @pytest.fixture
    def submission(self, world: Path, tmp_path: Path) -> Submission:
        shutil.copytree(world, tmp_path, dirs_exist_ok=True)
        return Submission(tmp_path)

    def test_nothing_is_found_before(self, submission: Submission, tmp_path: Path):
        assert faulty(tmp_path / "results", tmp_path / "models.yaml") == set()

    @pytest.mark.parametrize("plant", PLANTS)
    def test_is_found(self, plant: str, submission: Submission, tmp_path: Path):
        act, column = PLANTS[plant]
        act(submission)
        assert column in faulty(tmp_path / "results", tmp_path / "models.yaml")

    def test_picked_sample_that_fits_its_tokens(self, submission: Submission, tmp_path: Path):
        """The rarest forgery: every array of the sample is moved with it."""
        trace = Trace.read_parquet(submission.tokens)
        # Two texts of full length trade places, one of them with a token of the sample.
        longest = np.flatnonzero(trace.position == trace.position.max())
        texts = [np.flatnonzero(trace.prompt == trace.prompt[end]) for end in longest]
        one = next(text for text in texts if trace.sampled[text].any())
        other = next(text for text in texts if (trace.sampled[text] != trace.sampled[one]).any())
        order = np.arange(len(trace.target))
        order[one], order[other] = other, one
        in_sample = np.cumsum(trace.sampled) - 1
        moved = {}
        for field in fields(trace):
            array = getattr(trace, field.name)
            of_sample = len(array) != len(trace.target)
            moved[field.name] = array[in_sample[order[trace.sampled[order]]]] if of_sample else array[order]
        submission.forge(**moved | {"prompt": trace.prompt, "position": trace.position})
        assert faulty(tmp_path / "results") == {"sampled"}

    def test_masked_positions_that_go_back(self, tmp_path: Path):
        path = measure(tmp_path, "encoder", **FULL)
        trace = Trace.read_parquet(path.with_suffix(".parquet"))
        replace(trace, position=trace.position[::-1]).write_parquet(path.with_suffix(".parquet"))
        row = json.loads(path.read_text()) | {"token_records_sha256": sha256(path.with_suffix(".parquet"))}
        path.write_text(json.dumps(row))
        assert "position" in faulty(path.parent)

    def test_run_with_fewer_new_tokens_than_its_workload(self, tmp_path: Path):
        measure(tmp_path, max_new_tokens=8)
        (line,) = [line for verdict in verdicts(tmp_path / "results") for line in verdict.lines()]
        assert line.endswith(
            "max_new_tokens: is 8, and a full run of translation has 64; measure without --max-new-tokens"
        )

    def test_limited_run_marked_as_full(self, limited: Path):
        assert faulty(limited.parent) == {"limited"}
        row = json.loads(limited.read_text())
        limited.write_text(json.dumps(row | {"limited": False}))
        (verdict,) = verdicts(limited.parent)
        assert [line.partition("limited: ")[2] for line in verdict.lines()] == [
            "is false, but 3 prompts were taken of 64"
        ]


@pytest.fixture(scope="module")
def honest(world: Path) -> tuple[Row, Trace]:
    """The row of `tiny`, and its tokens."""
    (path,) = (world / "results" / "tiny").rglob("*.json")
    row = read_row(path)
    assert row is not None
    return row, read_tokens(path, row)


class TestEveryColumn:
    """No column of an experiment can be changed unseen."""

    def changes(self, row: Row, trace: Trace) -> Iterator[tuple[str, Any]]:
        for experiment in EXPERIMENTS:
            costs = costs_of_columns(row.model_dump())
            for column, value in score(trace, row.scoring, costs, [experiment]).items():
                if isinstance(value, list) and isinstance(value[0], list):
                    yield column, [[value[0][0] + 1, *value[0][1:]], *value[1:]]
                elif isinstance(value, list):
                    first = next((number for number, entry in enumerate(value) if entry is not None), 0)
                    yield column, [*value[:first], (value[first] or 0) + 1, *value[first + 1 :]]
                else:
                    yield column, 1.0 if value is None else value + 1e-5 if isinstance(value, float) else None

    def test_changed_by_a_little(self, honest: tuple[Row, Trace]):
        row, trace = honest
        unseen = []
        for column, value in self.changes(row, trace):
            value = "a reason" if column in ("interval_missing", "gates_missing") else value
            changed = row.model_copy(update={column: value})
            # Of the experiment that has the column, which takes as long as all others together.
            own = [experiment for experiment in EXPERIMENTS if column in experiment.columns.model_fields]
            named = {fault.column for fault in other_columns(changed, trace, own)}
            if named != {column}:
                unseen.append((column, named))
        assert unseen == []

    def test_rounded_in_the_last_digits(self, honest: tuple[Row, Trace]):
        row, trace = honest
        assert row.eas is not None and row.skip_ratio_chance is not None
        other = {"eas": row.eas * (1 + 1e-9), "skip_ratio_chance": row.skip_ratio_chance + 1e-9}
        assert list(other_columns(row.model_copy(update=other), trace, EXPERIMENTS)) == []
