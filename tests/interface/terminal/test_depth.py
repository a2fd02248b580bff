"""Depth in a terminal: layers as bars, texts by the layer of each token."""

import re

from benchmark.interface.terminal.depth import bars, coloured, legend, numbered
from benchmark.interface.terminal.letters import Letters

TOKENS = [("def", 1), (" f", 1), ("():\n", 4), ("\x1b[2J", 6)]


def test_a_bar_a_layer_in_forty_columns():
    head, first, last = bars([(1, 0.25, 0.25), (2, 1.0, 0.75)], 40, Letters("ascii"))
    assert all(len(line) <= 40 for line in (head, first, last))
    assert first.endswith(" 25 %   25 %") and last.endswith("100 %   75 %")
    assert first.count("#") < last.count("#") and "." not in last


def test_colours_are_closed_before_the_line_ends():
    text = coloured(TOKENS, 6)
    assert re.sub(r"\x1b\[[0-9;]*m", "", text) == "def f():\n\N{REPLACEMENT CHARACTER}[2J"
    assert all(line.count("\x1b[48") == line.count("\x1b[0m") for line in text.split("\n"))


def test_equal_exits_have_equal_colours_and_others_another():
    colours = re.findall(r"48;5;(\d+)", coloured(TOKENS, 6))
    assert colours[0] == colours[1] and len(set(colours)) == 3


def test_the_legend_names_every_layer_once():
    spans = re.findall(r"m (\d+)(?:-(\d+))? \x1b", legend(30))
    numbers = [layer for low, high in spans for layer in range(int(low), int(high or low) + 1)]
    assert numbers == list(range(1, 31))


def test_without_colours_the_layer_stands_where_it_changes():
    assert numbered(TOKENS) == "[1]def f[4]():\n[6]\N{REPLACEMENT CHARACTER}[2J"
