"""Sessions of both studies: which cases there are, what is refused at once, and what the end says."""

import csv
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from many_sessions import Ended, many_sessions

DECODE = ("--study", "decoding")
RULES = ("--gate", "static=1", "--gate", "oracle", "--policy", "recompute", "--policy", "propagate")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_tiny: Callable[..., Path]) -> Path:
    """Two models of three layers, and what sessions leave."""
    folder = tmp_path_factory.mktemp("studies")
    make_tiny(folder / "tiny")
    (folder / "models.yaml").write_text("models: [{path: tiny, name: One}, {path: tiny, name: Two}]\n")
    return folder


@pytest.fixture(scope="module")
def arguments(folder: Path) -> list[Any]:
    small = ("--workload", "math", "--limit", "3", "--max-new-tokens", "4")
    return ["--model-file", folder / "models.yaml", "--results-dir", folder / "results", *small]


@pytest.fixture(scope="module")
def ended(folder: Path, arguments: list[Any], start: Callable[..., subprocess.Popen[str]]) -> dict[str, Ended]:
    """Sessions of a single process."""
    embedded = ["--model", "SmolLM2-135M-Instruct", "--co", "-q"]
    looks = ["--gate", "margin@0.9", "--policy", "copy", "--check-every", "2", "--min-exit-layer", "3"]
    one = [*arguments, "--model", "One"]
    return many_sessions(
        start,
        {
            "listed": [*embedded, "--workload", "math", *DECODE],
            "all workloads": [*embedded, *DECODE],
            "oracle": [*embedded, "--workload", "math", "--study", "oracle"],
            "both": [*embedded, "--workload", "math"],
            "looks": [*embedded, "--workload", "math", *DECODE, *looks],
            "masked": [*arguments, "--model", "One", "--workload", "masked_passages", *DECODE, "--co", "-q"],
            "masked alone": ["--model-file", folder / "models.yaml", "--workload", "masked_passages", *DECODE],
            "gate": [*one, "--gate", "margn@0.95"],
            "rule": [*one, "--gate", "margin=2"],
            "policy": [*one, "--policy", "propogate"],
            "study": [*one, "--study", "orakel"],
            "every": [*one, "--check-every", "0"],
            "first": [*one, *DECODE, *RULES],
            "again": [*one, *DECODE, *RULES],
            "both studies": [*one, *RULES, "-k", "exits or decoding"],
            "fails": [*one, *DECODE, "--gate", "static=9", "--policy", "propagate"],
        },
    )


def ids(session: Ended) -> list[str]:
    return re.findall(r"^suites/\S+::(\S+)$", session.output, re.MULTILINE)


class TestCases:
    """Which there are, and what they are called."""

    def test_ids_name_model_workload_gate_and_policy(self, ended):
        assert ids(ended["listed"]) == [
            f"test_decoding[SmolLM2-135M-Instruct-math-{rule}]"
            for rule in ("margin@0.95-recompute", "margin@0.95-propagate", "oracle-propagate")
        ]

    def test_unless_named_workloads_are_those_that_take_minutes(self, ended):
        workloads = {re.sub(r".*Instruct-(\w+)-.*", r"\1", name) for name in ids(ended["all workloads"])}
        assert workloads == {"question_answering", "translation"}

    def test_the_other_study_is_left_away(self, ended):
        assert not [name for name in ids(ended["oracle"]) if "decoding" in name]
        assert ids(ended["oracle"]) and "deselected" in ended["oracle"]
        assert {*ids(ended["both"])} == {*ids(ended["oracle"]), *ids(ended["listed"])}

    def test_looks_are_part_of_the_setting_and_not_of_the_name(self, ended):
        assert ids(ended["looks"]) == ["test_decoding[SmolLM2-135M-Instruct-math-margin@0.9-copy]"]

    def test_masked_texts_are_not_decoded(self, ended):
        assert all("-math-" in name for name in ids(ended["masked"])) and ids(ended["masked"])

    def test_no_workload_at_all_is_no_error(self, ended):
        assert "INTERNALERROR" not in ended["masked alone"]
        assert ended["masked alone"].code == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize(
    ("session", "message"),
    [
        ("gate", "gate: there is no 'margn'; there are: max_prob, margin, "),
        ("rule", "gate: the threshold of margin must be between 0 and 1, not 2"),
        ("policy", "argument --policy: invalid choice: 'propogate'"),
        ("study", "argument --study: invalid choice: 'orakel'"),
        ("every", "argument --check-every: must be a whole number of at least 1, not '0'"),
    ],
)
def test_a_mistyped_option_is_one_line_at_once(ended, session, message):
    assert ended[session].code == 4
    assert len([line for line in ended[session].output.splitlines() if message in line]) == 1
    assert "Traceback" not in ended[session] and "collected" not in ended[session]


class TestMeasuring:
    """What a session of the decoding study prints and writes."""

    def test_the_table_at_the_end_has_gate_policy_and_what_became_of_the_text(self, ended):
        assert ended["first"].code == 0, ended["first"].output
        table = ended["first"].output.split("exitbench results")[-1].splitlines()
        heading = next(number for number, line in enumerate(table) if line.startswith("One: 3 layers, "))
        assert table[heading].endswith("early exit for real")
        assert table[heading + 1].split()[:5] == ["workload", "gate", "policy", "skip", "ratio"]
        rules = [line.split()[:3] for line in table[heading + 2 : heading + 5]]
        assert rules == [
            ["math*", "static=1", "recompute"],
            ["math*", "static=1", "propagate"],
            ["math*", "oracle", "propagate"],
        ]
        assert "3 measured now, 3 rows, 0 failed" in ended["first"]

    def test_nothing_is_decoded_twice(self, ended):
        assert "3 skipped" in ended["again"] and "loading from" not in ended["again"]
        assert "3 cases ended in an earlier run" in ended["again"]

    def test_rows_of_both_studies_lie_in_one_table(self, ended, folder):
        assert ended["both studies"].code == 0, ended["both studies"].output
        assert "1 passed, 3 skipped" in ended["both studies"]
        with (folder / "results" / "table.csv").open() as stream:
            suites = [line["suite"] for line in csv.DictReader(stream) if line["model"] == "One" and not line["error"]]
        assert sorted(suites) == ["decoding"] * 3 + ["oracle"]

    def test_a_failure_is_one_line(self, ended):
        message = "gate static=9: the model has 3 layers, and the gate looks at 2 of them; ask for 3 at most"
        assert "1 failed" in ended["fails"] and "Traceback" not in ended["fails"]
        assert ended["fails"].output.splitlines().count(message) == 1


def test_two_processes_share_out_the_models(run_suite, arguments, folder):
    rules = ("--gate", "static=1", "--policy", "propagate")
    again = run_suite(*arguments, *DECODE, *rules, "--results-dir", folder / "shared", "-n", "2")
    assert again.code == 0 and "2 passed" in again.output, again.output
    assert "2 measured now, 2 rows, 0 failed" in again.output
    assert "One: 3 layers" in again.output and "Two: 3 layers" in again.output
    rows = [json.loads(path.read_text()) for path in (folder / "shared").rglob("*.json")]
    assert {(row["model"], row["suite"], row["policy"]) for row in rows} == {
        ("One", "decoding", "propagate"),
        ("Two", "decoding", "propagate"),
    }
