"""The README says what the published rows say, and is short."""

from pathlib import Path

from benchmark.report.board.ranking import arrange
from benchmark.report.board.rows import read_entries
from benchmark.report.headline import headline

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_begins_with_what_the_published_rows_come_to():
    sentence = headline(arrange(read_entries(ROOT / "results" / "published", limited=False).entries).lines)
    beginning = " ".join(README.split("## Two commands")[0].split())
    assert f"**{sentence}**" in beginning, (
        f"README.md is not what the rows say; put this in its third block: {sentence}"
    )


def test_its_picture_is_the_one_that_the_leaderboard_writes():
    assert "](results/leaderboard/ladder.svg)" in README
    assert (ROOT / "results" / "leaderboard" / "ladder.svg").is_file()


def test_it_is_read_in_minutes():
    assert len(README.splitlines()) <= 150
