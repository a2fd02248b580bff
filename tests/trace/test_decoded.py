"""The record of the decoding study: what a file of it gives back, and what is no such file."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from strategies import trace_of
from texts import GATED, decoded_of, decodings

from benchmark.errors import InputError
from benchmark.trace import parquet
from benchmark.trace.decoded import Decoded
from benchmark.trace.record import Trace

SOME = decoded_of(
    {1: [(5, 4), (6, 2)], 3: [(5, 4)]}, {1: [5, 6, 7], 3: [5, 8]}, scores={1: (0.5, 1.0), 3: (0.0, np.nan)}
)
SAID = {"gate": "margin", "head": True, "policy": "propagate", "looks": [1, 2, 3], "num_layers": 4}
NAMES = [field.name for field in fields(Decoded) if field.name != "gated"]


def assert_equal(found: Decoded, expected: Decoded) -> None:
    assert found.gated == expected.gated
    for name in NAMES:
        array = getattr(found, name)
        assert array.dtype == getattr(expected, name).dtype
        np.testing.assert_array_equal(array, getattr(expected, name), err_msg=name)


def refusal(path: Path) -> str:
    """What is told of a file; one line that names it."""
    with pytest.raises(InputError) as error:
        Decoded.read_parquet(path)
    told = str(error.value)
    assert told.startswith(f"{path}: ") and "\n" not in told and len(told) < 500
    return told


def test_tokens_of_either_kind_are_counted_and_taken_apart():
    assert (SOME.num_tokens, SOME.num_layers, len(SOME.token)) == (3, 4, 8)
    assert SOME.of(False).token.tolist() == [5, 6, 5]
    assert SOME.of(True).token.tolist() == [5, 6, 7, 5, 8]
    assert SOME.of(True).last.tolist() == [False, False, True, False, True]


@given(decoded=decodings())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # every example overwrites the same file
def test_a_stored_record_equals_the_fresh_one(decoded: Decoded, tmp_path: Path):
    decoded.write_parquet(tmp_path / "tokens.parquet")
    assert_equal(Decoded.read_parquet(tmp_path / "tokens.parquet"), decoded)


@pytest.mark.parametrize("text", ["", "�", "漢\U0001f600\u200d", "\x00\n", '"exitbench"'])
def test_any_text_survives(text: str, tmp_path: Path):
    some = replace(SOME, text=[text] * 8, answer=[text] * 8)
    some.write_parquet(tmp_path / "tokens.parquet")
    assert_equal(Decoded.read_parquet(tmp_path / "tokens.parquet"), some)


def many(path: Path, rows: int, text: str) -> pa.Table:
    """A table like the one in a file, of many equal rows."""
    types = pq.read_schema(path)
    columns = {}
    for name in types.names:
        if pa.types.is_string(types.field(name).type):
            columns[name] = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), [text])
        else:
            columns[name] = pa.array(np.zeros(rows)).cast(types.field(name).type)
    return pa.table(columns)


class TestHostileFiles:
    """Files that anybody may have written."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        SOME.write_parquet(tmp_path / "tokens.parquet")
        return tmp_path / "tokens.parquet"

    def rewrite(self, path: Path, table: pa.Table, said: Any = SAID) -> None:
        pq.write_table(table.replace_schema_metadata({b"exitbench": json.dumps(said)}), path)

    def test_none(self, tmp_path: Path):
        assert "No such file" in refusal(tmp_path / "absent.parquet")

    @pytest.mark.parametrize("kept", [0, 1, 50, 0.5, -1, -8])
    def test_cut_short(self, path: Path, kept: float):
        content = path.read_bytes()
        path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
        refusal(path)

    @pytest.mark.parametrize("seed", range(20))
    def test_a_byte_changed_is_another_record_or_an_error(self, path: Path, seed: int):
        rng, content = np.random.default_rng(seed), bytearray(path.read_bytes())
        content[rng.integers(len(content))] ^= int(rng.integers(1, 256))
        path.write_bytes(content)
        try:
            Decoded.read_parquet(path)
        except InputError as error:
            assert str(path) in str(error)

    @pytest.mark.parametrize("name", NAMES)
    def test_without_a_column(self, path: Path, name: str):
        self.rewrite(path, pq.read_table(path).drop_columns([name]))
        assert "its columns are" in refusal(path)

    def test_with_one_more_or_in_another_order(self, path: Path):
        table = pq.read_table(path)
        self.rewrite(path, table.append_column("more", table["token"]))
        assert "its columns are" in refusal(path)
        self.rewrite(path, table.select(NAMES[::-1]))
        assert "its columns are" in refusal(path)

    @pytest.mark.parametrize("name", NAMES)
    def test_of_another_type(self, path: Path, name: str):
        table = pq.read_table(path)
        other = pa.array([[1.5]] * 8)
        self.rewrite(path, table.set_column(table.column_names.index(name), name, other))
        assert "its columns are" in refusal(path)

    @pytest.mark.parametrize("name", NAMES)
    def test_with_a_value_that_is_not_there(self, path: Path, name: str):
        table = pq.read_table(path)
        values = [None, *table[name].to_pylist()[1:]]
        index = table.column_names.index(name)
        self.rewrite(path, table.set_column(index, name, pa.array(values, table[name].type)))
        assert f"{name} lacks 1 values" in refusal(path)

    @pytest.mark.parametrize(
        "said",
        [
            None,
            [],
            "margin",
            {},
            SAID | {"more": 1},
            {name: value for name, value in SAID.items() if name != "head"},
            SAID | {"gate": 1},
            SAID | {"head": 1},
            SAID | {"policy": None},
            SAID | {"num_layers": 4.0},
            SAID | {"num_layers": True},
            SAID | {"num_layers": 0},
            SAID | {"num_layers": -3},
            SAID | {"num_layers": 10**12},
            SAID | {"looks": 3},
            SAID | {"looks": [1, "2"]},
            SAID | {"looks": [True, 2]},
            SAID | {"looks": [2, 1]},
            SAID | {"looks": [1, 1]},
            SAID | {"looks": [0, 1]},
            SAID | {"looks": [1, 4]},
        ],
        ids=str,
    )
    def test_that_says_something_else_of_its_rule(self, path: Path, said: Any):
        self.rewrite(path, pq.read_table(path), said)
        assert "cannot be read as the tokens of a case" in refusal(path)

    @pytest.mark.parametrize("said", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
    def test_that_says_nothing_that_can_be_read(self, path: Path, said: bytes):
        pq.write_table(pq.read_table(path).replace_schema_metadata({b"exitbench": said}), path)
        refusal(path)

    def test_that_unpacks_to_more_than_any_measurement(self, path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(parquet, "_ALWAYS_READ", 1_000_000)
        self.rewrite(path, many(path, 100_000, "x"))
        assert "more than any measurement does" in refusal(path)

    def test_of_a_long_text_without_end_is_read_as_one_text(self, path: Path):
        """A gigabyte of letters, and as many bytes as one of the texts."""
        self.rewrite(path, many(path, 10_000, "x" * 100_000))
        text = Decoded.read_parquet(path).text
        assert len(text) == 10_000 and text[0] is text[-1]

    def test_of_the_other_study(self, tmp_path: Path):
        trace_of([[1, 2]]).write_parquet(tmp_path / "trace.parquet")
        assert "its columns are" in refusal(tmp_path / "trace.parquet")
        SOME.write_parquet(tmp_path / "texts.parquet")
        with pytest.raises(InputError, match="cannot be read as the tokens of a case"):
            Trace.read_parquet(tmp_path / "texts.parquet")


def test_the_rule_is_as_it_was(tmp_path: Path):
    SOME.write_parquet(tmp_path / "tokens.parquet")
    assert Decoded.read_parquet(tmp_path / "tokens.parquet").gated == GATED
    assert json.loads(pq.read_schema(tmp_path / "tokens.parquet").metadata[b"exitbench"]) == SAID
