"""The record: what a file of it holds, and what it gives back."""

from base64 import b64encode
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from strategies import trace_of, traces

from benchmark.errors import InputError
from benchmark.trace.arrays import OF_SAMPLE, OF_SIGNALS
from benchmark.trace.parquet import read_arrays, write_arrays
from benchmark.trace.record import GivenTrace, Trace, WrittenTrace

TEXT_OF = [[7, 7, 7], [1, 7, 7], [8, 2, 8], [3, 4, 7], [5, 9, 9]]
TEXT = trace_of(
    TEXT_OF,
    prompt=[0, 0, 0, 1, 1],
    sampled=[True, False, True, False, True],
    text=["the", " the", "�", "the", " end"],
    score=[np.nan, np.nan, 1 / 3, np.nan, 1.0],
)


def test_tokens_and_layers_are_counted():
    assert (TEXT.num_tokens, TEXT.num_layers) == (5, 3)


def test_arrays_are_held_in_the_types_they_are_stored_in():
    types = {field.name: str(getattr(TEXT, field.name).dtype) for field in fields(TEXT)}
    assert types == {
        "prompt": "int32",
        "position": "int32",
        "target": "int32",
        "text": "object",
        "word_position": "int32",
        "matches": "bool",
        "similarity_logit": "float32",
        "similarity_logit_raw": "float32",
        "similarity_hidden": "float32",
        "similarity_previous": "float32",
        "margin": "float32",
        "sampled": "bool",
        "predictions": "int32",
        "max_prob": "float32",
        "prob_margin": "float32",
        "entropy": "float32",
        "rank": "int32",
        "similarity_topk": "float32",
        "kl": "float32",
        "layer_margin": "float32",
        "half_matches": "int8",
        "score": "float64",
    }


@given(trace=traces())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # every example overwrites the same file
def test_a_stored_trace_equals_the_fresh_one(trace: Trace, tmp_path: Path):
    trace.write_parquet(tmp_path / "tokens.parquet")
    _assert_equal(Trace.read_parquet(tmp_path / "tokens.parquet"), trace)


@pytest.mark.parametrize(("kind", "name"), [(GivenTrace, "given"), (WrittenTrace, "written")])
def test_the_tokens_of_texts_that_were_there_before_are_stored_with_the_others(
    kind: type[Trace], name: str, tmp_path: Path
):
    trace = kind(**vars(TEXT), **{name: TEXT.target + 1})
    trace.write_parquet(tmp_path / "tokens.parquet")
    back = Trace.read_parquet(tmp_path / "tokens.parquet")
    assert type(back) is kind and back.token.tolist() == [8, 8, 9, 8, 10]
    _assert_equal(back, trace)


def test_texts_are_given_or_written_and_not_both(tmp_path: Path):
    arrays = vars(TEXT) | {"given": TEXT.target, "written": TEXT.target}
    write_arrays(tmp_path / "tokens.parquet", arrays)
    with pytest.raises(InputError, match="has both given and written texts"):
        Trace.read_parquet(tmp_path / "tokens.parquet")


def test_what_was_not_a_number_is_still_none_after_storing(tmp_path: Path):
    trace = trace_of([[1, 1]], margin=[np.nan], similarity_hidden=[[np.nan, 1.0]])
    trace.write_parquet(tmp_path / "tokens.parquet")
    _assert_equal(Trace.read_parquet(tmp_path / "tokens.parquet"), trace)


def test_some_arrays_can_be_read_without_the_others(tmp_path: Path):
    TEXT.write_parquet(tmp_path / "tokens.parquet")
    arrays = read_arrays(tmp_path / "tokens.parquet", ["prompt", "matches"])
    assert list(arrays) == ["prompt", "matches"]
    np.testing.assert_array_equal(arrays["prompt"], TEXT.prompt)
    np.testing.assert_array_equal(arrays["matches"], TEXT.matches)


def test_a_file_has_one_row_a_token(tmp_path: Path):
    TEXT.write_parquet(tmp_path / "tokens.parquet")
    table = pq.read_table(tmp_path / "tokens.parquet")
    assert table.num_rows == 5
    (row,) = table.slice(2, 1).to_pylist()
    assert np.isnan(row["similarity_previous"][0])
    row["similarity_previous"][0] = 2  # a number is equal to itself
    assert row == {
        "prompt": 0,
        "position": 2,
        "target": 8,
        "text": "�",
        "word_position": 0,
        "matches": [True, False, True],
        "similarity_logit": [1, 1, 1],
        "similarity_logit_raw": [1, 1, 1],
        "similarity_hidden": [1, 1, 1],
        "similarity_previous": [2, 1, 1],
        "margin": 1,
        "sampled": True,
        "predictions": [8, 2, 8],
        "max_prob": [1, 1, 1],
        "prob_margin": [1, 1, 1],
        "entropy": [1, 1, 1],
        "rank": [1, 1, 1],
        "similarity_topk": [1, 1, 1],
        "kl": [1, 1, 1],
        "layer_margin": [1, 1, 1],
        "half_matches": [-1, -1, -1],
        "score": 1 / 3,
    }


@pytest.mark.parametrize("all_signals", [False, True])
def test_what_is_known_of_some_tokens_is_null_elsewhere(all_signals: bool, tmp_path: Path):
    text = trace_of(TEXT_OF, sampled=TEXT.sampled, all_signals=all_signals)
    text.write_parquet(tmp_path / "tokens.parquet")
    unsampled = pq.read_table(tmp_path / "tokens.parquet").slice(1, 1).to_pylist()[0]
    unknown = {name for name, value in unsampled.items() if value is None}
    assert unknown == {*OF_SAMPLE, *(() if all_signals else OF_SIGNALS)}
    again = Trace.read_parquet(tmp_path / "tokens.parquet")
    assert again.signalled.tolist() == ([True] * 5 if all_signals else TEXT.sampled.tolist())


def test_lists_of_a_fixed_length_are_never_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As older files have them; pyarrow before 26 cannot read them where some are null."""
    path, older, asked = tmp_path / "tokens.parquet", tmp_path / "older.parquet", []
    TEXT.write_parquet(path)
    table = pq.read_table(path)
    lists = {field.name: pa.list_(field.type.value_type, 3) for field in table.schema if pa.types.is_list(field.type)}
    schema = pa.schema([(field.name, lists.get(field.name, field.type)) for field in table.schema])
    with pq.ParquetWriter(older, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"ARROW:schema": b64encode(schema.serialize().to_pybytes()).decode()})
    read = pq.ParquetFile.read
    monkeypatch.setattr(pq.ParquetFile, "read", lambda file, *_, **how: asked.append(file) or read(file, **how))
    for one in (path, older):
        _assert_equal(Trace.read_parquet(one), TEXT)
    types = {str(kind).split("<")[0] for file in asked for kind in file.schema_arrow.types}
    assert "list" in types and "fixed_size_list" not in types
    assert "fixed_size_list" not in str(pq.read_schema(path)) and "fixed_size_list" in str(pq.read_schema(older))


def test_a_file_of_other_columns_is_refused(tmp_path: Path):
    path = tmp_path / "tokens.parquet"
    pq.write_table(pa.table({"prompt": [0]}), path)
    with pytest.raises(InputError, match="cannot be read as the tokens of a case"):
        Trace.read_parquet(path)


def _with(name: str, array: pa.Array, path: Path) -> None:
    """The file of `TEXT` with another column."""
    TEXT.write_parquet(path)
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(name), name, array), path)


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("target", pa.array([2**32 + 7] * 5), "target is of the type int64"),
        ("target", pa.array([7.5] * 5), "target is of the type double"),
        ("target", pa.array([7, None, 7, 7, 7], pa.int32()), "target lacks 1 values"),
        ("prompt", pa.array([Decimal("1e30")] * 5), "prompt is of the type decimal"),
        ("text", pa.array([b"\xff"] * 5), "text is of the type .*binary"),
        ("text", pa.array([None] * 5, pa.string()), "text lacks 5 values"),
        ("sampled", pa.nulls(5, pa.bool_()), "sampled lacks 5 values"),
        ("matches", pa.array([[1] * 3] * 5), "matches is of the type list<element: int64>"),
        ("matches", pa.array([True] * 5), "matches is of the type bool"),
        ("matches", pa.array([[True] * 2] * 5), "similarity_logit is not of the 2 layers of matches"),
        ("matches", pa.array([[True] * 2, [True] * 4] + [[True] * 3] * 3), "matches is not of the 3 layers of matches"),
        (
            "kl",
            pa.array([[1.0], None, [1.0] * 3, None, [1.0] * 5], pa.list_(pa.float32())),
            "kl is not of the 3",
        ),
        ("matches", pa.array([[True, None, True]] * 5, pa.list_(pa.bool_(), 3)), "matches lacks 5 values"),
        ("rank", pa.array([[1] * 3] * 3 + [None] * 2, pa.list_(pa.int32(), 3)), "rank is of other tokens than those"),
        ("entropy", pa.array([[1.0] * 3] * 4 + [None], pa.list_(pa.float32(), 3)), "entropy is of other tokens than"),
        ("entropy", pa.array([[1.0] * 3] * 5, pa.list_(pa.float32(), 3)), "entropy is of other tokens than those"),
    ],
)
def test_what_would_have_to_be_converted_is_refused(name: str, array: pa.Array, reason: str, tmp_path: Path):
    _with(name, array, tmp_path / "tokens.parquet")
    with pytest.raises(InputError, match=f"cannot be read as the tokens of a case: {reason}"):
        Trace.read_parquet(tmp_path / "tokens.parquet")


def test_a_column_twice_and_one_too_many_are_refused(tmp_path: Path):
    path = tmp_path / "tokens.parquet"
    TEXT.write_parquet(path)
    table = pq.read_table(path)
    for extra, reason in (("target", "it has more than one target"), ("secret", "it has a column 'secret'")):
        pq.write_table(table.append_column(extra, table["target"]), path)
        with pytest.raises(InputError, match=reason):
            Trace.read_parquet(path)


def test_a_small_file_that_unpacks_to_a_large_table_is_refused(tmp_path: Path):
    path = tmp_path / "tokens.parquet"
    TEXT.write_parquet(path)
    table = pq.read_table(path)
    pq.write_table(table.take(pa.array(np.zeros(2_000_000, np.int64))), path, compression="zstd")
    assert path.stat().st_size < 1_000_000
    with pytest.raises(InputError, match="more than any measurement does"):
        Trace.read_parquet(path)


def test_a_part_of_the_arrays_can_be_read(tmp_path: Path):
    TEXT.write_parquet(tmp_path / "tokens.parquet")
    arrays = read_arrays(tmp_path / "tokens.parquet", ["matches", "prompt"])
    assert list(arrays) == ["matches", "prompt"]
    np.testing.assert_array_equal(arrays["matches"], TEXT.matches)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"tokens\.parquet: cannot be read .* measure it again"):
        Trace.read_parquet(tmp_path / "tokens.parquet")


@pytest.mark.parametrize("length", [0, 4, 200, -8, -1])
def test_a_part_of_a_file_is_refused(length: int, tmp_path: Path):
    path = tmp_path / "tokens.parquet"
    TEXT.write_parquet(path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="cannot be read as the tokens of a case"):
        Trace.read_parquet(path)


def _assert_equal(one: Trace, other: Trace) -> None:
    for field in fields(Trace):
        left, right = getattr(one, field.name), getattr(other, field.name)
        assert left.dtype == right.dtype, field.name
        np.testing.assert_array_equal(left, right, err_msg=field.name)
