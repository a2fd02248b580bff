"""Where texts stop: at a token that stands nowhere else, or where the row lets them go no further."""

from collections.abc import Sequence

import pytest
from strategies import row_of, trace_of

from benchmark.results.audit.traces.texts import impossible_texts

END = 0


def faulty(texts: Sequence[Sequence[int]], most: int, **columns: str) -> set[str]:
    """The columns that are named as faulty, of texts of at most so many tokens."""
    prompt = [number for number, text in enumerate(texts) for _ in text]
    trace = trace_of([[token, token] for text in texts for token in text], prompt=prompt)
    row = row_of(prompts=len(texts), prompts_left_out=0, max_new_tokens=most, **columns)
    return {fault.column for fault in impossible_texts(row, trace)}


@pytest.mark.parametrize(
    "texts",
    [
        [[5, 6, 7], [5, 5, 5]],  # as long as they may be
        [[5, END], [6, 7, END], [END]],
        [[5, END], [5, 6, 7]],
        [[5, END], [5, 1], [5, 6, 7]],  # models may know several ends
    ],
)
def test_texts_as_models_write_them(texts: list[list[int]]):
    assert faulty(texts, 3) == set()


@pytest.mark.parametrize("texts", [[[5], [5, 6, 7]], [[5, END, 6], [5, END]], [[5, 6], [6, 7, 8]]])
def test_a_text_that_was_cut_where_another_goes_on(texts: list[list[int]]):
    assert faulty(texts, 3) == {"target"}


def test_texts_that_all_end_in_their_own_way():
    assert faulty([[5, number] for number in range(10, 18)], 3) == set()
    assert faulty([[5, number] for number in range(10, 19)], 3) == {"target"}


def said(texts: Sequence[Sequence[str]], stop: Sequence[str]) -> set[str]:
    """The columns that are named as faulty, of texts in these pieces, of at most four tokens."""
    prompt = [number for number, text in enumerate(texts) for _ in text]
    pieces = [piece for text in texts for piece in text]
    ids = [[len(piece) + 10] * 2 for piece in pieces]
    row = row_of(prompts=len(texts), prompts_left_out=0, max_new_tokens=4, stop=list(stop))
    return {fault.column for fault in impossible_texts(row, trace_of(ids, prompt=prompt, text=pieces))}


@pytest.mark.parametrize(
    ("texts", "stop"),
    [
        ([["18", ".", "Qu", "es"], ["Qu", "estion:"], ["a", " Question: x"]], ["Question:"]),
        ([["a", "\n", "c", "d"], ["a", "e\n\n"], ["c", "b"]], ["\n\n", "b"]),
        ([["a", "\ufffd", "\ufffd"], ["b", "c", "d", "e"]], ["早"]),  # a letter in parts
    ],
)
def test_texts_end_at_a_stop_string_whatever_its_tokens(texts: list[list[str]], stop: list[str]):
    assert said(texts, stop) == set()


def test_a_text_that_goes_on_behind_a_stop_string():
    assert said([["a", ".", "b"], ["a", "b", "c", "d"]], ["."]) == {"text"}


def test_a_text_that_ends_before_its_stop_string():
    assert said([["a", "bb"], ["bb", "a", "a", "a"]], ["."]) == {"target"}


def test_masked_texts_end_anywhere():
    assert faulty([[5], [5, 6, 7]], 3, architecture="encoder") == set()
