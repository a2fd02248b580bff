"""Texts stay texts in HTML."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from benchmark.report.leaderboard.html.markup import Markup, element, join


class Reader(HTMLParser):
    """Notes the names of elements, their attributes and their text."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(markup)
    reader.close()
    return reader


LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")


@given(st.text(LETTERS), st.text(LETTERS))
def test_any_text_is_read_back_as_it_was(content: str, title: str):
    found = read(element("p", content, title=title))
    assert found.names == ["p"]
    assert found.attributes == [("title", title)]
    assert found.text == content


def test_what_was_written_here_stands_as_it_is():
    assert element("p", "a < b ", element("b", "c")) == "<p>a &lt; b <b>c</b></p>"


def test_nothing_and_false_are_left_out_and_true_has_no_value():
    assert element("a", None, hidden=True, title=None, open=False, class_="x", data_at=1) == (
        '<a hidden class="x" data-at="1"></a>'
    )


def test_half_a_character_can_be_written_to_a_file():
    assert join("a\ud800\0").encode() == "a?\N{REPLACEMENT CHARACTER}".encode()


def test_pieces_stand_one_behind_the_other():
    assert join(Markup("<br>"), "<br>", 1) == "<br>&lt;br&gt;1"
