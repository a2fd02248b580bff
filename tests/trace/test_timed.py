"""The record of the clock: what a file of it gives back, and what is no such file."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from clocked import ALONE, timed

from benchmark.errors import InputError
from benchmark.trace.timed import Drafted, Late, Timed

LATE = Late(pending=(3, 1, 1), exits=(0, 4, 0, 1), same=2)
DRAFTED = Drafted(2, 3, 12, 5, (1.0, 2.0, 3.0), (2.0, 3.0, 4.0))
SOME = timed(ALONE, late=LATE, drafted=(DRAFTED,))


def assert_equal(found: Timed, expected: Timed) -> None:
    assert found.clocked == expected.clocked
    for field in fields(Timed)[1:]:
        array = getattr(found, field.name)
        assert array.dtype == getattr(expected, field.name).dtype
        np.testing.assert_array_equal(array, getattr(expected, field.name), err_msg=field.name)


@pytest.mark.parametrize("record", [timed(), SOME], ids=["least", "everything"])
def test_a_stored_record_equals_the_fresh_one(record: Timed, tmp_path: Path):
    record.write_parquet(tmp_path / "tokens.parquet")
    assert_equal(Timed.read_parquet(tmp_path / "tokens.parquet"), record)


def test_ways_are_found_by_name():
    assert SOME.clocked.of("replay_alone") == ALONE
    assert SOME.clocked.of("deferred_gate") is None
    assert (SOME.num_tokens, SOME.num_layers) == (8, 4)


def said(**changes: Any) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(SOME.clocked))) | changes


def timing(**changes: Any) -> dict[str, Any]:
    first, *others = said()["timings"]
    return said(timings=[first | changes, *others])


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        said(num_layers=0.5),
        said(num_layers=10**9),
        said(num_layers=True),
        said(more=1),
        said(timings={}),
        said(timings=said()["timings"][1:]),
        said(timings=said()["timings"] * 2),
        timing(way="sundial"),
        timing(groups=[1, 0]),
        timing(groups=[0]),
        timing(steps=[3, 0]),
        timing(steps=[3, -2]),
        timing(seconds=[]),
        timing(seconds=[[1.0]]),
        timing(seconds=[[1.0, 0.0]]),
        timing(seconds=[[1.0, float("inf")]]),
        timing(seconds=[[1.0, "2"]]),
        said(late={"pending": [1]}),
        said(late={"pending": [1], "exits": [1.5], "same": 0}),
        said(drafted=[{}]),
        said(drafted=[asdict(DRAFTED) | {"seconds": [1.0]}]),
        said(drafted=[asdict(DRAFTED) | {"seconds": [], "plain_seconds": []}]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_says_something_else_is_refused_in_one_line(wrong: Any, tmp_path: Path):
    path = tmp_path / "tokens.parquet"
    SOME.write_parquet(path)
    table = pq.read_table(path).replace_schema_metadata({b"exitbench": json.dumps(wrong)})
    pq.write_table(table, path)
    with pytest.raises(InputError, match="it does not say what was timed") as error:
        Timed.read_parquet(path)
    assert "\n" not in str(error.value)
