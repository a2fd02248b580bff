"""Words: do tokens that begin a word exit later than those that continue one, and rare ones later than frequent?"""

from benchmark.metrics.columns import word_columns
from benchmark.metrics.experiments import Record
from benchmark.trace.record import Trace


def test_words(trace: Trace, record: Record) -> None:
    """Mean first-match exits by place in the word, by place in the text, and by how often the case has the token."""
    columns = word_columns(trace)
    assert sum(columns["frequency_tokens"]) == sum(columns["text_position_tokens"]) == trace.num_tokens
    record(columns)
