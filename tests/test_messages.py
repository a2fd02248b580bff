"""Names that anybody may have chosen, in a line on a terminal."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.messages import printable


@given(st.text())
def test_it_is_one_line_that_can_be_written(text: str):
    line = printable(text)
    assert line.isprintable()
    line.encode()


@pytest.mark.parametrize("text", ["plain", "größer als 1 %", "日本語", ""])
def test_what_can_be_printed_stays_as_it_is(text: str):
    assert printable(text) == text


def test_line_ends_escapes_and_bytes_that_are_no_text_are_replaced():
    assert printable("a\n::error::b\x1b[31m" + os.fsdecode(b"\xff")) == "a�::error::b�[31m�"
