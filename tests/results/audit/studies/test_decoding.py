"""Rows of the decoding study: what is planted into an honest one is found, and no column or array changes unseen."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decoded_plants import PLANTS, DecodedRow
from folders import read_row
from measured import measure
from submissions import named_of_small_run

from benchmark.inputs.settings import GatedSettings
from benchmark.metrics.experiments import score
from benchmark.metrics.experiments.decoding import DECODING
from benchmark.results.audit.columns import other_columns
from benchmark.results.audit.studies.decoding import impossible_decoding
from benchmark.results.audit.study import of_another_study
from benchmark.results.row import Row
from benchmark.results.row.frame import GatedMeasured
from benchmark.trace.costs import costs_of_columns
from benchmark.trace.decoded import Decoded

SMALL = {"limit": 8, "max_new_tokens": 8}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An honest case: a margin that keeps half of the tokens, whose skipped layers get the state."""
    folder = tmp_path_factory.mktemp("world")
    measure(folder, gated=GatedSettings.of("margin@0.5", "propagate"), **SMALL)
    return folder / "results"


@pytest.fixture(scope="module")
def honest(world: Path) -> tuple[Row, Decoded]:
    (path,) = world.rglob("*.json")
    row = read_row(path)
    assert row is not None
    return row, Decoded.read_parquet(path.with_suffix(".parquet"))


@pytest.fixture
def planted(world: Path, tmp_path: Path) -> DecodedRow:
    shutil.copytree(world, tmp_path / "results")
    (path,) = (tmp_path / "results").rglob("*.json")
    (tmp_path / "results" / "table.csv").unlink()
    return DecodedRow(path)


class TestPlantedFaults:
    """Each is planted into an honest row, and named by its column."""

    def test_nothing_is_found_before(self, planted: DecodedRow, tmp_path: Path):
        assert named_of_small_run(tmp_path / "results") == set()

    @pytest.mark.parametrize("plant", PLANTS)
    def test_is_found(self, plant: str, planted: DecodedRow, tmp_path: Path):
        act, column = PLANTS[plant]
        act(planted)
        assert column in named_of_small_run(tmp_path / "results")


class TestEveryColumn:
    """No column of the study can be changed unseen."""

    def test_that_is_computed(self, honest: tuple[Row, Decoded]):
        row, record = honest
        unseen = []
        columns = score(record, row.scoring, costs_of_columns(row.model_dump()), [DECODING])
        for column, value in columns.items():
            for changed in changes(column, value):
                other = row.model_copy(update={column: changed})
                if {fault.column for fault in other_columns(other, record, [DECODING])} != {column}:
                    unseen.append((column, changed))
        assert unseen == []

    @pytest.mark.parametrize("column", ["gate", "policy", "check_every", "min_exit_layer", *GatedMeasured.model_fields])
    def test_that_is_measured_or_asked_for_is_not_missing(self, column: str, honest: tuple[Row, Decoded]):
        row, _ = honest
        assert column in {fault.column for fault in of_another_study(row.model_copy(update={column: None}))}

    def test_of_the_other_study_is_not_there(self, honest: tuple[Row, Decoded]):
        row, _ = honest
        assert list(of_another_study(row)) == []
        oracle = row.model_copy(update={"suite": "oracle"})
        foreign = {fault.column for fault in of_another_study(oracle)}
        assert {*GatedMeasured.model_fields, "gate", "target_asked", "same_until", "speedup_gated"} <= foreign
        assert not {"skip_ratio", "score", "exit_share"} & foreign


def changes(column: str, value: Any) -> Iterator[Any]:
    """What a column may be changed to, by a little or altogether."""
    if column == "interval_missing":
        yield "a reason"
    elif isinstance(value, list):
        yield [value[0] + 1, *value[1:]]
        yield value[1:]
    else:
        yield 1.0 if value is None else value + 1e-5 if isinstance(value, float) else value + 1
        if value is not None:
            yield None


class TestEveryArray:
    """No array can be changed at any token of it, if anything can tell."""

    def test_changes_are_seen_at_the_first_token_of_a_text(self, honest: tuple[Row, Decoded]):
        row, record = honest
        place = int(np.flatnonzero(~record.full & (record.position == 0))[1])
        for name, value in self.others(record, place):
            array = getattr(record, name).copy()
            array[place] = value
            other = Decoded(**vars(record) | {name: array})
            seen = {fault.column for fault in impossible_decoding(row, other)}
            seen |= {fault.column for fault in other_columns(row, other, [DECODING])} if not seen else set()
            assert seen, name

    def others(self, record: Decoded, place: int) -> Iterator[tuple[str, Any]]:
        yield "prompt", record.prompt[place] + 1
        yield "position", 1
        yield "token", record.token[place] + 1
        yield "exit_layer", 1
        yield "full", True
        yield "answer", "x"
        yield "score", 0.5

    def test_a_text_that_reads_otherwise_is_seen_where_both_have_the_same_tokens(self, tmp_path: Path):
        """The oracle under recompute, whose two texts are one."""
        path = measure(tmp_path, gated=GatedSettings.of("oracle", "recompute"), **SMALL)
        case = DecodedRow(path)
        assert named_of_small_run(tmp_path / "results") == set()
        record = case.record
        for name, value in (("text", "x"), ("answer", ""), ("score", 0.5)):
            array = getattr(record, name).copy()
            array[np.flatnonzero(record.last)[0]] = value
            other = Decoded(**vars(record) | {name: array})
            row = read_row(path)
            assert row is not None
            assert name in {fault.column for fault in impossible_decoding(row, other)}
        case.forge(token=np.where(record.full, record.token, record.token + (record.position == 3)))
        assert "token" in named_of_small_run(tmp_path / "results")


@pytest.mark.parametrize(
    ("rule", "threshold"), [("static=2", 0.75), ("static=2", 0.25), ("patience=2", 1.0), ("margin=0", 0.5)]
)
def test_exits_say_of_some_gates_what_their_threshold_was(rule: str, threshold: float, tmp_path: Path):
    path = measure(tmp_path, gated=GatedSettings.of(rule, "propagate"), **SMALL)
    assert named_of_small_run(tmp_path / "results") == set()
    case = DecodedRow(path)
    case.edit(threshold=threshold)
    assert "threshold" in named_of_small_run(tmp_path / "results")
    row, record = read_row(path), case.record
    assert row is not None
    if not rule.startswith("margin"):  # by its exits alone, whatever was asked for
        assert "threshold" in {fault.column for fault in impossible_decoding(row, record)}


def test_a_row_in_json_has_no_column_of_the_other_study(world: Path):
    (path,) = world.rglob("*.json")
    written = json.loads(path.read_text())
    assert "eas" not in written and "gate_targets" not in written and written["same_until"] is not None
