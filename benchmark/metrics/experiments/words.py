"""Words: do tokens that begin a word exit later than those that continue one, and rare ones later than frequent?"""

from typing import Annotated

import numpy as np

from benchmark.metrics.column_types import Column, Columns, Counts, ExitLayer, ExitLayers
from benchmark.metrics.exits import first_match
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.scoring import Scoring
from benchmark.metrics.statistics.bins import doubling, group_means, mean
from benchmark.trace.costs import Costs
from benchmark.trace.record import Trace

_LAST_WORD_POSITION = 7
"""This place in a word and all further ones are counted together."""


class WordColumns(Columns):
    """Where in a word, in a text and in the vocabulary of a case tokens exit early."""

    exit_layer_mean_word_initial: ExitLayer = None
    """Mean first-match exit of tokens that begin a word; null without such tokens."""
    exit_layer_mean_continuation: ExitLayer = None
    """Mean first-match exit of tokens that continue one."""
    word_initial_share: Annotated[float | None, Column(low=0, high=1, counted=True)] = None
    """Share of tokens that begin a word, of those in words."""
    word_position_tokens: Counts = None
    """Tokens at places 0 to 6 of their word, and, the eighth entry, at all further places."""
    word_position_exit_layer_mean: ExitLayers = None
    """Their mean first-match exits."""
    text_position_start: Counts = None
    """First position of each stretch of the generated text: 0, 1, 2, 4, 8, …"""
    text_position_tokens: Counts = None
    """Tokens in it."""
    text_position_exit_layer_mean: ExitLayers = None
    """Their mean first-match exits."""
    frequency_start: Counts = None
    """Smallest number of occurrences in the case of each group of tokens: 1, 2, 4, 8, …"""
    frequency_tokens: Counts = None
    """Tokens in it."""
    frequency_exit_layer_mean: ExitLayers = None
    """Their mean first-match exits."""


def word_columns(trace: Trace, scoring: Scoring, costs: Costs | None) -> WordColumns:
    """Return first-match exits by place in the word, by place in the text, and by how often the case has the token.

    Args:
        trace: of at least one token.
        scoring: not needed.
        costs: not needed.
    """
    exits, place = first_match(trace.matches), trace.word_position
    in_word = place >= 0
    by_place = group_means(exits[in_word], place[in_word], range(_LAST_WORD_POSITION + 1))
    text_start = [0, *doubling(int(trace.position.max()))]
    by_position = group_means(exits, trace.position, text_start)
    _, token, occurrences = np.unique(trace.token, return_inverse=True, return_counts=True)
    frequency_start = doubling(int(occurrences.max()))
    by_frequency = group_means(exits, occurrences[token], frequency_start)
    return WordColumns(
        exit_layer_mean_word_initial=mean(exits[place == 0]),
        exit_layer_mean_continuation=mean(exits[place > 0]),
        word_initial_share=mean(place[in_word] == 0),
        word_position_tokens=by_place[0],
        word_position_exit_layer_mean=by_place[1],
        text_position_start=text_start,
        text_position_tokens=by_position[0],
        text_position_exit_layer_mean=by_position[1],
        frequency_start=frequency_start,
        frequency_tokens=by_frequency[0],
        frequency_exit_layer_mean=by_frequency[1],
    )


WORDS = Experiment("words", WordColumns, word_columns)
