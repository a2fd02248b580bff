"""The line that tells how far a session is, at any width."""

import pytest

from benchmark.interface.terminal.letters import Letters
from benchmark.interface.terminal.status import Status, duration
from benchmark.messages import width


def status(**changes) -> Status:
    """A case in the middle of decoding."""
    plain = {
        "phase": "decoding",
        "title": "SmolLM2-135M-Instruct × question_answering",
        "number": 3,
        "cases": 8,
        "share": 0.58,
        "counts": "9/16 prompts",
        "seconds": 12.0,
        "left": 130.0,
    }
    return Status(**plain | changes)


@pytest.mark.parametrize("title", ["", "Tiny × chat", "数学" * 30, "\x1b[31m<b>" * 20])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_it_is_always_shorter_than_the_terminal_is_wide(title: str, encoding: str):
    for columns in (*range(10, 140), 200):
        line = status(title=title, letters=Letters(encoding)).line(columns)
        assert 0 < width(line) < columns
        assert line.isprintable()


def test_a_wide_terminal_shows_all_of_it():
    line = status().line(140)
    assert line.startswith("3/8  SmolLM2-135M-Instruct × question_answering  decoding 58 %, 9/16 prompts  █")
    assert line.endswith("  12 s, 2 min left")


def test_eighty_columns_show_the_name_cut_in_the_middle():
    line = status().line(80)
    assert line.startswith("3/8  SmolLM2-135M") and "answering  decoding 58 %  ███▌░░  12 s, 2 min left" in line
    assert "…" in line


def test_forty_columns_show_what_is_done_and_the_time_left():
    line = status().line(40)
    assert "decoding 58 %" in line and line.endswith("2 min left")


def test_what_is_not_known_is_not_shown():
    line = status(share=None, left=None, phase="proving 2 of 4: what a token costs", seconds=3).line(100)
    assert line == "3/8  SmolLM2-135M-Instruct × question_answering  proving 2 of 4: what a token costs  3 s"


def test_between_cases_there_is_no_number_and_no_title():
    assert status(title="", share=None, left=None, phase="importing").line(80) == "importing  12 s"


def test_ascii_has_a_bar_and_letters_of_its_own():
    line = status(letters=Letters("ascii")).line(100)
    assert line.isascii() and " x question_answering" in line and "[#" in line


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (99, "99 s"), (100, "2 min"), (3600, "60 min"), (6000, "1.7 h")]
)
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text
