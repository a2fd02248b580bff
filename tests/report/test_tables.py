"""Tables as text, Markdown, LaTeX and CSV."""

import csv
import io
import re
from html import unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from benchmark.messages import width
from benchmark.report.tables import Head, Table, as_csv, as_latex, as_markdown, as_text, escape, written

NASTY = "a|b & <b>_x_</b> *y* `z` $1 50% #1 ~ ^ {c} [l](http://e) \\"
TABLE = Table(
    "numbers",
    (Head("name"), Head("share", digits=3), Head("more", digits=2, signed=True, rank=1)),
    (("one", 0.25, -0.5), (NASTY, None, 1.0)),
)


class TestText:
    def test_texts_stand_to_the_left_and_numbers_to_the_right(self):
        plain = Table("", TABLE.heads, (("one", 0.25, -0.5), ("three", None, 1.0)))
        assert as_text(plain).splitlines() == ["name   share   more", "one    0.250  -0.50", "three         +1.00"]

    @pytest.mark.parametrize("columns", [20, 24, 40, 80])
    def test_it_fits(self, columns: int):
        assert max(width(line) for line in as_text(TABLE, columns).splitlines()[:4]) <= columns

    def test_what_goes_is_named(self):
        assert as_text(TABLE, 20).endswith("(more in a wider terminal: more)")

    def test_a_column_in_which_nothing_is_known_goes(self):
        empty = Table("", (Head("name"), Head("nothing", digits=1)), (("one", None),))
        assert [head.title for head in empty.without_empty().heads] == ["name"]


class TestMarkdown:
    def test_a_parser_reads_every_name_as_it_is(self):
        html = MarkdownIt("commonmark", {"html": True}).enable("table").render(as_markdown(TABLE))
        cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", html)
        assert len(cells) == 9
        unescaped = cells[6].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        assert unescaped == NASTY

    @pytest.mark.parametrize("name", ["https://evil.example", "www.evil.example", "WWW.evil.example", "@user"])
    def test_no_name_is_a_link(self, name: str):
        text = as_markdown(Table(name, (Head(name),), ((name,),)))
        assert name not in text and not re.search(r"://|(?i:www\.)|@", text)

    @given(st.text())
    def test_no_text_is_markup(self, text: str):
        escaped = escape(text)
        assert not re.search(r"[<>|`*\[\]\\\n\r~]|&(?!#\d+;)|://|@|(?i:www\.)", escaped)

    @pytest.mark.parametrize("text", ["Qwen3-0.6B", "open_ended_writing", "SmolLM2 (bfloat16, cpu)"])
    def test_plain_names_stay_readable(self, text: str):
        assert escape(text) == text

    @given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
    @example("__init__")
    def test_a_reader_of_markdown_shows_the_text(self, text: str):
        reader = pytest.importorskip("markdown_it", reason="needs markdown-it-py").MarkdownIt("commonmark")
        reader.enable("table")
        shown = reader.render(f"| a |\n| --- |\n| x {escape(text)} |\n")
        assert unescape(re.sub(r"<[^>]*>", "", shown)).split() == ["a", "x", *text.split()]


class TestLatex:
    def test_every_special_letter_is_escaped(self):
        *_, line = [line for line in as_latex(TABLE).splitlines() if "textbar" in line]
        bare = re.sub(r"\\(text\w+\{\}|[&%$#_{}])", "", line.removesuffix(r" \\"))
        assert not re.search(r"[\\%$#_{}~^<>|]", bare)
        assert bare.count("&") == 2  # between three columns

    def test_it_is_a_whole_tabular(self):
        lines = as_latex(TABLE).splitlines()
        assert lines[:3] == ["% numbers", r"\begin{tabular}{lrr}", r"\toprule"]
        assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]


class TestCsv:
    def test_numbers_are_in_full_and_names_as_they_are(self):
        table = Table("", TABLE.heads, (("=1+1", 0.123456789, None), (NASTY, -0.5, 1.0)))
        head, first, second = csv.reader(io.StringIO(as_csv(table)))
        assert head == ["name", "share", "more"]
        assert first == ["'=1+1", "0.123456789", ""] and second == [NASTY, "-0.5", "1.0"]

    def test_heads_are_no_formulas_and_may_be_equal(self):
        table = Table("", (Head("layer", digits=0), Head("=1+1", digits=3), Head("layer", digits=3)), ((1, 0.5, 0.25),))
        assert as_csv(table).splitlines() == ["layer,'=1+1,layer", "1,0.5,0.25"]


@pytest.mark.parametrize(("form", "begin"), [("text", "numbers"), ("md", "numbers"), ("latex", "%"), ("csv", "name")])
def test_every_form(form: str, begin: str):
    assert written(TABLE, form).startswith(begin)
