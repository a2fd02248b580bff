"""Names from anywhere stand in Markdown as they are."""

import re
from html import unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmark.report.markdown_text import escape


@given(st.text())
def test_no_text_is_markup(text: str):
    escaped = escape(text)
    assert not re.search(r"[<>|`*\[\]\\\n\r~]|&(?!#\d+;)|://|@|(?i:www\.)", escaped)


@pytest.mark.parametrize("text", ["Qwen3-0.6B", "open_ended_writing", "SmolLM2 (bfloat16, cpu)"])
def test_plain_names_stay_readable(text: str):
    assert escape(text) == text


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
@example("__init__")
def test_a_reader_of_markdown_shows_the_text(text: str):
    reader = pytest.importorskip("markdown_it", reason="needs markdown-it-py").MarkdownIt("commonmark")
    reader.enable("table")
    shown = reader.render(f"| a |\n| --- |\n| x {escape(text)} |\n")
    assert unescape(re.sub(r"<[^>]*>", "", shown)).split() == ["a", "x", *text.split()]
