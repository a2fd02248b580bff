"""From readings in any order to a trace in the order of the text."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.decoding.assemble import Places, assemble
from benchmark.errors import MeasurementError
from benchmark.readout.reading import Reading
from benchmark.tools.tiny_models import tiny_tokenizer
from benchmark.trace.arrays import OF_SAMPLE, OF_SIGNALS
from benchmark.trace.record import Trace

TOKENIZER = tiny_tokenizer()
LAYERS = 3


def reading_of(numbers: list[int], sampled: list[bool], all_signals: bool = False) -> Reading:
    """A reading in which every array of a token holds the token's number."""
    number, taken = torch.tensor(numbers), torch.tensor(sampled, dtype=torch.bool)
    of_layers = number[:, None].expand(-1, LAYERS)
    every = {
        "target": number,
        "margin": number.float(),
        "sampled": taken,
        "matches": of_layers % 2 == 0,
        **dict.fromkeys(("similarity_logit", "similarity_logit_raw", "similarity_hidden"), of_layers.float()),
        "similarity_previous": of_layers.float(),
        **dict.fromkeys(OF_SIGNALS, of_layers[taken | all_signals]),
    }
    return Reading(**every, **dict.fromkeys(OF_SAMPLE, of_layers[taken]))


def places_of(pairs: list[tuple[int, int]]) -> Places:
    prompts, positions = zip(*pairs, strict=True) if pairs else ((), ())
    return Places(np.array(prompts, dtype=int), np.array(positions, dtype=int))


@st.composite
def scattered(draw: st.DrawFn):
    """Tokens of up to three prompts, each with a number and a place in the sample or not, in readings of any size."""
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    ordered = [(prompt, position) for prompt, length in enumerate(lengths) for position in range(length)]
    tokens = [(pair, number + 5, draw(st.booleans())) for number, pair in enumerate(ordered)]
    shuffled = draw(st.permutations(tokens))
    cuts = sorted(draw(st.lists(st.integers(0, len(tokens)), max_size=3)))
    parts = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(tokens)], strict=True)]
    return tokens, parts


def put_together(parts, all_signals: bool) -> Trace:
    places = [places_of([pair for pair, _, _ in part]) for part in parts]
    readings = [reading_of([n for _, n, _ in part], [taken for _, _, taken in part], all_signals) for part in parts]
    return assemble(TOKENIZER, [(5,)] * 3, places, readings)


@given(scattered(), st.booleans())
def test_every_array_of_a_token_stays_with_it(example, all_signals):
    tokens, parts = example
    trace = put_together(parts, all_signals=all_signals)
    assert list(zip(trace.prompt, trace.position, strict=True)) == [pair for pair, _, _ in tokens]
    numbers = np.array([number for _, number, _ in tokens])
    sampled = np.array([taken for _, _, taken in tokens])
    assert trace.sampled.tolist() == sampled.tolist()
    for name in ("target", "margin"):
        assert getattr(trace, name).tolist() == numbers.tolist()
    for name in ("similarity_logit", "similarity_logit_raw", "similarity_hidden", "similarity_previous"):
        assert (getattr(trace, name) == numbers[:, None]).all()
    assert (trace.matches == (numbers % 2 == 0)[:, None]).all()
    for name in OF_SAMPLE:
        assert getattr(trace, name).tolist() == [[number] * LAYERS for number in numbers[sampled]]
    for name in OF_SIGNALS:
        assert getattr(trace, name).tolist() == [[number] * LAYERS for number in numbers[sampled | all_signals]]


def ids(text: str) -> list[int]:
    return TOKENIZER(text).input_ids


def test_words_are_those_of_the_prompt_and_its_own_text():
    first, second = ids("me, a"), ids("do")
    places = places_of([(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)])
    targets = [token for letters in ("nt", ":d", "x") for token in ids(letters)]
    # The letters n, :, x continue the first prompt; t and d the second.
    order = [targets[0], targets[1], targets[2], targets[3], targets[4]]
    trace = assemble(TOKENIZER, [first, second], [places], [reading_of(order, [True] * 5)])
    assert "".join(trace.text[trace.prompt == 0]) == "n:x"
    assert trace.word_position[trace.prompt == 0].tolist() == [1, -1, 0]  # "an", then a new word
    assert "".join(trace.text[trace.prompt == 1]) == "td"
    assert trace.word_position[trace.prompt == 1].tolist() == [2, 3]  # "dotd"


def test_masked_tokens_stand_inside_their_texts():
    text = ids("the cat")
    places = places_of([(0, 5), (0, 1)])
    filled = reading_of(ids("zz"), [True, False])  # what the model fills in has no say
    trace = assemble(TOKENIZER, [text], [places], [filled], masked=True)
    assert trace.position.tolist() == [1, 5]
    assert trace.text.tolist() == ["h", "a"]
    assert trace.word_position.tolist() == [1, 1]


def test_no_token_at_all_is_refused():
    with pytest.raises(MeasurementError, match="no token was generated"):
        assemble(TOKENIZER, [[5]], [], [])
