"""How far a grid is, on a terminal and in a log."""

import io
from collections import Counter

import pytest

from benchmark.grid.driver import Counts
from benchmark.grid.work import CellEnded, CellOutcome
from benchmark.interface.terminal.grid_status import GridStatus

COUNTS = Counts(12, Counter({CellOutcome.MEASURED: 4, CellOutcome.BEFORE: 1, CellOutcome.FAILED: 1}), 2, 130.0)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


def test_a_log_has_a_line_a_case_with_how_far_all_is(log: io.StringIO):
    GridStatus(log).ended("node", "tiny × math", CellEnded(3, CellOutcome.MEASURED), COUNTS)
    assert log.getvalue() == (
        "tiny × math: measured on node (6 of 12, 2 running, 1 failed, 4 waiting, about 2 min left)\n"
    )


def test_a_failure_has_its_reason_and_nothing_that_a_terminal_acts_on(log: io.StringIO):
    GridStatus(log).ended("node", "tiny × math", CellEnded(3, CellOutcome.FAILED, "NaN \x1b[2J"), COUNTS)
    assert log.getvalue().startswith("tiny × math: failed on node: NaN \N{REPLACEMENT CHARACTER}[2J (6 of 12")


def test_what_is_not_done_now_is_counted_and_not_told_one_by_one(log: io.StringIO):
    status = GridStatus(log)
    status.show(COUNTS)
    status.ended("node", "tiny × math", CellEnded(3, CellOutcome.BEFORE), COUNTS)
    status.ended("node", "tiny × masked", CellEnded(4, CellOutcome.CANNOT, "is for encoders"), COUNTS)
    assert log.getvalue() == ""
    assert status.cannot == {"is for encoders": 1}


def test_on_a_terminal_one_line_is_drawn_in_place_and_whole_lines_stand_above(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    status = GridStatus(stream)
    status.show(COUNTS)
    assert stream.getvalue().startswith("\r\x1b[K6 of 12 cases 50 %, 2 running, 1 failed, 4 waiting  █")
    assert "2 min left" in stream.getvalue()
    assert "\n" not in stream.getvalue()
    status.ended("node", "tiny × math", CellEnded(3, CellOutcome.MEASURED), COUNTS)
    assert stream.getvalue().endswith("\r\x1b[Ktiny × math: measured on node\n")
