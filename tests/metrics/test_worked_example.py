"""The page docs/worked-example.md: its tables are the input here, and its numbers what comes out."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from every_column import bound_columns, exit_columns, half_columns, suitability_columns, word_columns
from strategies import trace_of

from benchmark.metrics.exits import first_match, settled, similar_enough, with_halves
from benchmark.trace.costs import Costs, LayerCost

PAGE = (Path(__file__).parents[2] / "docs" / "worked-example.md").read_text(encoding="utf-8")

WORDS = ["the", "cat", "s", "."]
PROMPT = ["A", "A", "A", "B", "B"]
SAID = [
    ["the", "the", "the"],
    ["the", "cat", "cat"],
    ["s", "cat", "s"],
    [".", ".", "the"],
    [".", "cat", "cat"],
]
SIMILARITY = [
    [0.9, 0.85, 1],
    [0.2, 0.8, 1],
    [0.5, 0.9, 1],
    [-0.6, 0.6, 1],
    [0.2, 0.6, 1],
]
BEHIND_MIXER = [
    [0, 1, 1],
    [0, 1, 1],
    [1, 0, 1],
    [0, 0, 1],
    [0, 0, 1],
]
TAU = 0.8
TRACE = trace_of(
    [[WORDS.index(word) for word in layers] for layers in SAID],
    prompt=["AB".index(name) for name in PROMPT],
    word_position=[0, 0, 1, 0, 0],
    similarity_logit=SIMILARITY,
    half_matches=BEHIND_MIXER,
)
COSTS = Costs(
    layers=(LayerCost("attention", experts=False, weight_bytes=10, flops=20, owed_bytes=4, owed_flops=8),) * 3,
    head_bytes=5,
    head_flops=10,
    embedding_bytes=1,
    embedding_flops=0,
    parameters=36,
    active_parameters=36,
    vocab_size=8,
)
COLUMNS = {
    **exit_columns(TRACE, seed=0),
    **suitability_columns(TRACE, alpha=0.5, seed=0, tau=[TAU]),
    **bound_columns(TRACE, COSTS),
    **half_columns(TRACE, seed=0),
    **word_columns(TRACE),
}
NUMBERS: dict[str, list[float]] = {
    "exit_layer_mean": [1.8],
    "exit_layer_settled_mean": [2.2],
    "hesitation_layers_mean": [0.4],
    "contradicted_share": [0.2],
    "skip_ratio": [0.4],
    "skip_ratio_settled": [0.2667],
    "skip_ratio_ci_low": [0.1667],
    "skip_ratio_ci_high": [0.5556],
    "skip_ratio_chance": [0.2133],
    "agreement": [0.4, 0.6, 1],
    "agreement_chance": [0.2, 0.32, 0.36],
    "exit_share": [0.4, 0.4, 0.2],
    "settled_share": [0.2, 0.4, 0.4],
    "similarity_logit": [0.24, 0.75, 1],
    "eas": [0.3],
    "eas_normalized": [0.6457],
    "tau_skip_ratio_logit": [0.2667],
    "tau_agreement_logit": [0.8],
    "speedup_bound_layers": [1.667],
    "speedup_bound_head": [1.5],
    "speedup_bound_kv": [1.25],
    "half_exit_mean": [1.5],
    "half_exit_settled_mean": [1.9],
    "half_skip_ratio": [0.5],
    "half_skip_ratio_settled": [0.3667],
    "half_skip_ratio_layers": [0.4],
    "half_agreement": [0.2, 0.4, 1],
    "half_exit_share": [0.2, 0.2, 0.2],
    "exit_layer_mean_word_initial": [2],
    "exit_layer_mean_continuation": [1],
    "word_initial_share": [0.8],
    "text_position_tokens": [2, 2, 1],
    "text_position_exit_layer_mean": [2, 2, 1],
    "frequency_tokens": [1, 4],
    "frequency_exit_layer_mean": [1, 2],
}


@pytest.mark.parametrize("column", NUMBERS)
def test_the_columns_are_the_numbers_of_the_page(column: str):
    assert np.atleast_1d(COLUMNS[column]).tolist() == pytest.approx(NUMBERS[column], rel=2e-4)


@pytest.mark.parametrize("column", NUMBERS)
def test_the_page_says_the_number(column: str):
    said = ", ".join(f"{number:g}" for number in NUMBERS[column])
    # Not followed by more digits, nor by more numbers.
    assert re.search(rf"`{column}` = {re.escape(said)}(?!\.?\d|, \d)", PAGE)


def test_the_page_says_no_other_number():
    assert PAGE.count("` = ") == len(NUMBERS)


def test_the_table_of_matches_is_the_input():
    first, last = first_match(TRACE.matches), settled(TRACE.matches)
    for token in range(5):
        assert _line(token + 1, PROMPT[token], *SAID[token], first[token], last[token]) in PAGE


def test_the_table_of_similarities_is_the_input():
    exits = similar_enough(TRACE.similarity_logit, TAU)
    for token in range(5):
        left = exits[token]
        assert _line(token + 1, *SIMILARITY[token], left, SAID[token][left - 1]) in PAGE


def test_the_table_of_halves_is_the_input():
    depth, both = with_halves(TRACE.matches, TRACE.half_matches)
    first, last = depth[first_match(both) - 1], depth[settled(both) - 1]
    for token in range(5):
        assert _line(token + 1, *both[token].astype(int), first[token], last[token]) in PAGE


def test_the_costs_are_the_input():
    layer = COSTS.layers[0]
    said = f"each layer read {layer.weight_bytes} bytes for a token, {layer.owed_bytes} of them for its keys and values"
    assert f"{said}; the embedding {COSTS.embedding_bytes} byte, the head {COSTS.head_bytes}." in PAGE


def _line(*cells: Any) -> str:
    """A line of a table."""
    return "| " + " | ".join(cell if isinstance(cell, str) else f"{cell:g}" for cell in cells) + " |"
