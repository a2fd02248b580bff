"""Whole sessions in a recorded terminal: a line that moves in place, nothing that wraps, and tables that fit."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded import Recording, record

EXPERIMENTS = ("answers", "bounds", "exits", "gates", "halves", "layers", "speculation", "suitability", "words")
LONG = "a-name-of-a-model-that-is-longer-than-the-terminal-is-wide-and-goes-on-for-a-while-after-that"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, make_tiny: Callable[..., Path]) -> Path:
    """A folder with a model file: a tiny model under a short and under a long name, and one that is not here."""
    folder = tmp_path_factory.mktemp("place")
    make_tiny(folder / "tiny")
    (folder / "models.yaml").write_text(
        f"models:\n- {{path: tiny, name: Tiny}}\n- {{path: tiny, name: {LONG}}}\n- {{id: nobody/far}}\n"
    )
    return folder


def session(place: Path, *arguments: str, columns: int, **environment: str) -> Recording:
    """Record a session on prompts that take a second or two."""
    plain = ("-m", "pytest", "suites/", "-p", "no:cacheprovider", "--model-file", place / "models.yaml")
    small = ("--study", "oracle", "--limit", "8", "--max-new-tokens", "48", "--batch-size", "1")
    return record(*plain, *small, "--results-dir", place / "results", *arguments, columns=columns, **environment)


@pytest.fixture(scope="module")
def wide(place: Path) -> Recording:
    """Two models on two workloads, one of which is not here, at 80 columns."""
    return session(place, "--workload", "chat", "--workload", "gsm8k", columns=80)


@pytest.fixture(scope="module")
def narrow(place: Path) -> Recording:
    """One model on another workload at 40 columns, in a terminal that shows ASCII only."""
    return session(place, "--model", "Tiny", "--workload", "humaneval", columns=40, PYTHONIOENCODING="ascii")


class TestEightyColumns:
    def test_it_measures(self, wide):
        assert wide.code == 0
        assert "2 measured now, 2 rows, 0 failed" in wide.text

    def test_no_line_wraps_but_the_name_that_is_longer_than_the_terminal(self, wide):
        shown = wide.shown()
        assert shown.wraps == 0
        assert all(len(line) < 80 for line in wide.drawn)

    def test_the_line_in_place_leaves_no_trace(self, wide):
        lines = wide.shown().lines
        assert not [line for line in lines if re.search("importing|finding|proving|decoding|scoring", line)]
        files = [line for line in lines if line.startswith("suites/")]
        assert [line.partition(" [")[0].rstrip() for line in files] == [
            f"suites/test_{name}.py .." for name in EXPERIMENTS
        ]

    def test_on_a_low_terminal_only_whole_lines_scroll(self, wide):
        high, low = wide.shown(), wide.shown(rows=12)
        assert low.gone + low.lines == high.lines
        assert not high.gone

    def test_it_says_what_it_does_before_it_imports(self, wide):
        assert wide.drawn[0].startswith("reading models and workloads")
        assert wide.text.index("importing torch") < wide.text.index("test session starts")

    def test_the_bar_of_a_case_moves_on_and_never_back(self, wide):
        cases = {"1/2": [], "2/2": []}
        for line in wide.drawn:
            if (found := re.match(r"(\d/\d)  .*decoding (\d+) %", line)) is not None:
                cases[found[1]].append(int(found[2]))
        assert all(shares == sorted(shares) for shares in cases.values())
        assert len({*cases["1/2"], *cases["2/2"]}) > 2
        assert any("█" in line for line in wide.drawn)

    def test_the_time_left_is_told(self, wide):
        assert any(re.search(r"\d+ (s|min) left", line) for line in wide.drawn)

    def test_what_cannot_run_is_one_line_and_is_not_skipped(self, wide):
        lines = wide.shown().lines
        told = [line for line in lines if "cannot run here" in line]
        assert told == ["exitbench: 1 model and 1 workload cannot run here: not on this machine (2); -rs"]
        assert re.fullmatch(r"=+ 18 passed, \d+ deselected in .*=+", lines[-1])

    def test_the_summary_begins_with_a_sentence_and_fits(self, wide):
        lines = wide.shown().lines
        start = next(number for number, line in enumerate(lines) if "exitbench results" in line)
        assert "a perfect rule skips" in " ".join(lines[start : start + 8])
        assert "benchmark:" not in wide.text and "Rounds" not in wide.text


class TestFortyColumnsInAscii:
    def test_no_line_of_ours_wraps(self, narrow):
        assert narrow.code == 0
        assert all(len(line) < 40 for line in narrow.drawn)
        lines = narrow.shown().lines
        start = next(number for number, line in enumerate(lines) if "exitbench results" in line)
        ours = [line for line in lines[start + 1 :] if "rows" not in line and str(Path.home()) not in line]
        assert all(len(line) <= 40 for line in ours)

    def test_every_letter_is_one_that_the_terminal_has(self, narrow):
        assert narrow.text.isascii()
        assert any(re.search(r"[#~]|Tiny", line) for line in narrow.drawn)

    def test_the_table_still_says_what_matters(self, narrow):
        text = "\n".join(narrow.shown().lines)
        assert re.search(r"workload +skip ratio", text)
        assert re.search(r"humaneval\* +0\.\d{3}", text)
