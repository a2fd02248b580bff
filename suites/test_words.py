"""Words: do tokens that begin a word exit later than those that continue one, and rare ones later than frequent?"""

from benchmark.cases.case import Case
from benchmark.metrics.experiments.words import WORDS


def test_words(case: Case) -> None:
    """Mean first-match exits by place in the word, by place in the text, and by how often the case has the token."""
    columns = case.columns(WORDS)
    assert columns.frequency_tokens is not None and columns.text_position_tokens is not None
    assert sum(columns.frequency_tokens) == sum(columns.text_position_tokens) == case.trace.num_tokens
