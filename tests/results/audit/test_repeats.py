"""Rows held against each other."""

from pathlib import Path
from typing import Any

import pytest
from strategies import row_of

from benchmark.results.audit.repeats import repeats

PLAIN: dict[str, Any] = {
    "source": "hub:lab/tiny",
    "revision": "c0ffee",
    "dtype": "float32",
    "device": "cpu",
    "prompts_sha256": "p",
    "max_new_tokens": 64,
    "vocab_size": 128,
    "parameters": 1000,
    "token_records_sha256": "one",
}
FIRST, SECOND = Path("first.json"), Path("second.json")


def told(**other: Any) -> dict[str, str]:
    """What is wrong with a second row that differs from the first in these columns, by column."""
    faults = repeats([(FIRST, row_of(**PLAIN)), (SECOND, row_of(**PLAIN | other))])
    assert faults.keys() <= {SECOND}
    return {fault.column: fault.problem for fault in faults.get(SECOND, ())}


def test_rows_of_different_workloads_are_fine():
    assert told(workload="math", prompts_sha256="q", token_records_sha256="two") == {}


def test_tokens_count_once():
    assert told(model="better", source="hub:lab/better") == {
        "token_records_sha256": "has the tokens of first.json once more"
    }


@pytest.mark.parametrize("other", [{"configuration": "00000000"}, {"alpha": 0.3, "batch_size": 2}])
def test_a_measurement_counts_once(other: dict[str, Any]):
    assert told(token_records_sha256="two", **other) == {"": "is the same measurement as first.json; keep one of them"}


@pytest.mark.parametrize(
    "other", [{"device": "cuda"}, {"dtype": "bfloat16"}, {"revision": "decaf"}, {"max_new_tokens": 32}]
)
def test_in_another_setting_it_is_another_one(other: dict[str, Any]):
    assert told(token_records_sha256="two", **other) == {}


def test_the_same_weights_are_the_same_in_every_row():
    assert told(workload="math", token_records_sha256="two", parameters=900) == {
        "parameters": "is 900, but 1000 in first.json, of the same weights"
    }


@pytest.mark.parametrize("other", [{"dtype": "bfloat16"}, {"quantization": "8bit"}, {"source": "hub:lab/other"}])
def test_other_weights_may_differ(other: dict[str, Any]):
    assert told(workload="math", token_records_sha256="two", parameters=900, **other) == {}


def test_what_a_device_does_not_show_is_not_held_against_it():
    first = row_of(**PLAIN, layer_owed_bytes=[1, 2])
    second = row_of(**PLAIN | {"token_records_sha256": "two", "device": "cuda"})
    assert repeats([(FIRST, first), (SECOND, second)]) == {}


def test_rows_that_do_not_know_their_weights_are_not_compared():
    unknown = {**PLAIN, "source": None, "revision": None}
    other = {"workload": "math", "token_records_sha256": "two", "parameters": 1}
    assert repeats([(FIRST, row_of(**unknown)), (SECOND, row_of(**unknown | other))]) == {}


DECODING = {"suite": "decoding", "gate": "margin", "policy": "propagate", "check_every": 1, "min_exit_layer": 1}


def told_of(first: dict[str, Any], second: dict[str, Any]) -> set[str]:
    """Columns that are wrong with a second row beside a first."""
    faults = repeats([(FIRST, row_of(**PLAIN | first)), (SECOND, row_of(**PLAIN | second))])
    return {fault.column for fault in faults.get(SECOND, ())}


def test_the_studies_of_one_model_stand_beside_each_other():
    assert told_of({}, DECODING | {"target_asked": 0.95, "token_records_sha256": "two"}) == set()


@pytest.mark.parametrize(
    "other",
    [{"target_asked": 0.9}, {"threshold_asked": 0.5, "target_asked": None}, {"policy": "copy"}, {"check_every": 2}],
    ids=str,
)
def test_another_rule_is_another_measurement(other: dict[str, Any]):
    first = DECODING | {"target_asked": 0.95}
    assert told_of(first, first | other | {"token_records_sha256": "two"}) == set()
    assert told_of(first, first | {"token_records_sha256": "two", "alpha": 0.1}) == {""}


def test_two_targets_may_well_choose_one_threshold():
    """Their texts are the same then, to the last byte; those of another policy or model are not."""
    first = DECODING | {"target_asked": 0.95}
    assert told_of(first, first | {"target_asked": 0.9}) == set()
    assert told_of(first, first | {"policy": "recompute"}) == {"token_records_sha256"}
    assert told_of(first, first | {"target_asked": 0.9, "model": "other"}) == {"token_records_sha256"}
