"""A picture on the page: a drawing with its title, caption and files, or what would fill it."""

from benchmark.report.leaderboard.html.figures import figure
from benchmark.report.pictures.chart import Picture

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE svg PUBLIC "x" "y">\n'
SVG = f'{HEAD}<svg viewBox="0 0 1 1"><title>a</title></svg>\n'


def test_a_drawing_stands_in_the_page_with_its_files():
    text = figure(Picture("sizes", "Is <b> larger?", "So & so.", SVG, {}, b"a", None))
    assert '<div class="still"><svg viewBox="0 0 1 1"><title>a</title></svg>' in text
    assert "<h3>Is &lt;b&gt; larger?</h3>" in text
    assert "So &amp; so." in text
    for kind in ("svg", "csv"):
        assert f'href="pictures/sizes.{kind}"' in text
    assert "<?xml" not in text


def test_without_a_drawing_it_says_what_would_fill_it():
    text = figure(Picture("clock", "On the clock", "", None, None, None, "Time <it>."))
    assert '<p class="empty">Time &lt;it&gt;.</p>' in text
    assert "Save as" not in text
