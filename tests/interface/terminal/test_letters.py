"""Letters that a terminal can show."""

import pytest

from benchmark.interface.terminal.letters import Letters, folded


class TestShown:
    def test_utf_8_shows_every_script(self):
        assert Letters().shown("Tiny × 数学") == "Tiny × 数学"

    def test_ascii_shows_what_looks_alike_or_an_escape(self):
        assert Letters("ascii").shown("Tiny × 数…") == r"Tiny x \u6570~"

    @pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
    def test_nothing_moves_the_cursor(self, encoding: str):
        shown = Letters(encoding).shown("a\r\n\x1b[2Jb")
        assert shown.isprintable() and shown.encode(encoding)


class TestBar:
    @pytest.mark.parametrize(("share", "bar"), [(0, "░░░░"), (0.5, "██░░"), (1, "████"), (2, "████"), (0.53, "██▏░")])
    def test_it_is_as_long_as_asked(self, share: float, bar: str):
        assert Letters().bar(share, 4) == bar

    def test_ascii(self):
        assert Letters("ascii").bar(0.5, 4) == "[##..]"


class TestFolded:
    def test_a_line_that_fits_stays(self):
        assert folded("as it is", 8) == ["as it is"]

    def test_a_number_stays_with_its_unit_and_a_name_whole(self):
        lines = folded("chance skips just about 7 % of a-model-with-hyphens", 28)
        assert lines == ["chance skips just about 7 %", "  of a-model-with-hyphens"]
