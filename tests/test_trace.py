"""The record: what it derives, and what a file gives back."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from strategies import trace_of, traces

from benchmark.trace import Trace

TEXT = trace_of([[7, 7, 7], [1, 7, 7], [8, 2, 8], [3, 4, 7], [5, 9, 9]], prompt=[0, 0, 0, 1, 1])


def test_tokens_and_layers_are_counted():
    assert (TEXT.num_tokens, TEXT.num_layers) == (5, 3)


def test_the_last_layer_is_the_generated_text():
    assert TEXT.targets.tolist() == [7, 7, 8, 7, 9]


def test_a_layer_matches_where_it_says_what_the_last_one_says():
    assert TEXT.matches.tolist() == [
        [True, True, True],
        [False, True, True],
        [True, False, True],
        [False, False, True],
        [False, True, True],
    ]


def test_arrays_are_held_in_the_types_they_are_stored_in():
    types = {field.name: str(getattr(TEXT, field.name).dtype) for field in fields(TEXT)}
    assert types == {
        "prompt": "int32",
        "position": "int32",
        "predictions": "int32",
        "similarity_logit": "float32",
        "similarity_logit_raw": "float32",
        "similarity_hidden": "float32",
        "similarity_topk": "float32",
        "margin": "float32",
    }


@given(trace=traces())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # every example overwrites the same file
def test_a_stored_trace_equals_the_fresh_one(trace: Trace, tmp_path: Path):
    trace.write_parquet(tmp_path / "tokens.parquet")
    _assert_equal(Trace.read_parquet(tmp_path / "tokens.parquet"), trace)


def test_what_was_not_a_number_is_still_none_after_storing(tmp_path: Path):
    trace = trace_of([[1, 1]], margin=[np.nan], similarity_hidden=[[np.nan, 1.0]])
    trace.write_parquet(tmp_path / "tokens.parquet")
    _assert_equal(Trace.read_parquet(tmp_path / "tokens.parquet"), trace)


def test_a_file_has_one_row_a_token(tmp_path: Path):
    TEXT.write_parquet(tmp_path / "tokens.parquet")
    table = pq.read_table(tmp_path / "tokens.parquet")
    assert table.num_rows == 5
    assert table.slice(2, 1).to_pylist()[0] == {
        "prompt": 0,
        "position": 2,
        "predictions": [8, 2, 8],
        "similarity_logit": [1, 1, 1],
        "similarity_logit_raw": [1, 1, 1],
        "similarity_hidden": [1, 1, 1],
        "similarity_topk": [1, 1, 1],
        "margin": 1,
    }


def test_further_columns_stand_beside_the_traces_own(tmp_path: Path):
    TEXT.write_parquet(tmp_path / "tokens.parquet", exit_layer=np.array([1, 2, 1, 3, 2]))
    assert pq.read_table(tmp_path / "tokens.parquet")["exit_layer"].to_pylist() == [1, 2, 1, 3, 2]
    _assert_equal(Trace.read_parquet(tmp_path / "tokens.parquet"), TEXT)


def test_a_missing_file_is_an_os_error(tmp_path: Path):
    with pytest.raises(OSError):
        Trace.read_parquet(tmp_path / "tokens.parquet")


def test_half_a_file_is_refused(tmp_path: Path):
    path = tmp_path / "tokens.parquet"
    TEXT.write_parquet(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises((OSError, pa.ArrowInvalid)):
        Trace.read_parquet(path)


def _assert_equal(one: Trace, other: Trace) -> None:
    for field in fields(Trace):
        left, right = getattr(one, field.name), getattr(other, field.name)
        assert left.dtype == right.dtype, field.name
        np.testing.assert_array_equal(left, right, err_msg=field.name)
