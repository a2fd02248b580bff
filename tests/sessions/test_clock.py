"""Sessions of the study of the clock: when it runs, what its cases are called, what the end says, what is refused."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from many_sessions import Ended, many_sessions

from benchmark.results.versions import inventory

CLOCK = ("--study", "clock")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_tiny: Callable[..., Path]) -> Path:
    """A model, and what sessions leave."""
    folder = tmp_path_factory.mktemp("clock")
    make_tiny(folder / "tiny")
    (folder / "models.yaml").write_text("models: [{path: tiny}]\n")
    return folder


@pytest.fixture(scope="module")
def ended(folder: Path, start: Callable[..., subprocess.Popen[str]]) -> dict[str, Ended]:
    """Each session, by what it is about."""
    models: list[Any] = ["--model-file", folder / "models.yaml", "--results-dir", folder / "results"]
    listed = [*models, "--co", "-q"]
    small = [*models, *CLOCK, "--workload", "math", "--limit", "2", "--max-new-tokens", "4", "--timed-batch", "2"]
    return many_sessions(
        start,
        {
            "unasked": [*listed, "--workload", "math"],
            "listed": [*listed, *CLOCK],
            "gates": [*listed, *CLOCK, "--gate", "margin=0.9", "--gate", "static=2", "--timed-batch", "1"],
            "first": small,
            "again": small,
            "rounds": [*models, *CLOCK, "--rounds", "2"],
            "oracle": [*models, *CLOCK, "--gate", "oracle"],
            "gate": [*models, *CLOCK, "--gate", "margn=1"],
            "texts": [*models, *CLOCK, "--workload", "math", "--texts", folder / "models.yaml"],
        },
    )


def ids(session: Ended) -> list[str]:
    return re.findall(r"^suites/\S+::(\S+)$", session.output, re.MULTILINE)


def test_nobody_is_timed_who_did_not_ask_for_it(ended: dict[str, Ended]):
    assert ids(ended["unasked"]) and not [name for name in ids(ended["unasked"]) if "clock" in name]


def test_cases_are_named_by_their_batch_and_at_batch_1_by_their_gate(ended: dict[str, Ended]):
    assert ids(ended["listed"]) == [
        f"test_clock[tiny-humaneval-{case}]" for case in ("batch-1-margin@0.95", "batch-4", "batch-16")
    ]
    assert ids(ended["gates"]) == [f"test_clock[tiny-humaneval-batch-1-{gate}]" for gate in ("margin=0.9", "static=2")]


def test_the_end_shows_seconds_beside_their_bound(ended: dict[str, Ended], folder: Path):
    assert ended["first"].code == 0, ended["first"].output
    assert "float32 on cpu, on the clock" in ended["first"].output and "s/step" in ended["first"].output
    (row,) = [found.row for found in inventory(folder / "results") if found.row]
    assert (row.suite, row.batch_size_asked, row.rounds_asked, row.limited) == ("clock", 2, 3, True)


def test_the_same_command_finds_its_row(ended: dict[str, Ended]):
    assert ended["again"].code == 0 and "0 measured now, 1 rows, 0 failed" in ended["again"].output


@pytest.mark.parametrize(
    ("session", "line"),
    [
        ("rounds", "rounds: must be at least 3, or there is no median, not 2"),
        ("oracle", "gate: oracle-recompute is not timed; name a gate that can be built"),
        ("gate", "gate: there is no 'margn'"),
        ("texts", "--texts: where texts are given, nothing is decoded; leave --study clock away"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_collected(ended: dict[str, Ended], session: str, line: str):
    assert ended[session].code == pytest.ExitCode.USAGE_ERROR
    (told,) = [said for said in ended[session].output.splitlines() if said.startswith("ERROR")]
    assert line in told
