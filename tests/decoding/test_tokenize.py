"""From prompts to token ids: through the chat template, or as the tokenizer encodes by default."""

from types import SimpleNamespace

import pytest

from benchmark.decoding.tokenize import encode
from benchmark.errors import MeasurementError
from benchmark.inputs.prompt import Prompt, Turn


class WordTokenizer:
    """Shows what it was asked: words stand for token ids."""

    def __call__(self, text: str) -> SimpleNamespace:
        return SimpleNamespace(input_ids=["<s>", *text.split()])

    def apply_chat_template(
        self, messages: list[dict[str, str]], *, add_generation_prompt: bool, tokenize: bool, return_dict: bool
    ) -> list[str]:
        assert tokenize
        assert not return_dict
        turns = [part for message in messages for part in (f"<{message['role']}>", message["content"])]
        return [*turns, "<model>"] if add_generation_prompt else turns


def prompts(*texts: str) -> list[Prompt]:
    return [Prompt(id=str(number), messages=text) for number, text in enumerate(texts)]


TALK = Prompt(id="talk/7", messages=(Turn(role="system", content="short"), Turn(role="user", content="why")))


def test_completion_is_fed_as_it_stands():
    assert encode(WordTokenizer(), prompts("two words", "one"), chat=False) == [["<s>", "two", "words"], ["<s>", "one"]]


def test_chat_goes_through_the_template_up_to_the_models_turn():
    assert encode(WordTokenizer(), prompts("two words"), chat=True) == [["<user>", "two words", "<model>"]]


def test_so_do_the_turns_of_a_conversation():
    assert encode(WordTokenizer(), [TALK], chat=True) == [["<system>", "short", "<user>", "why", "<model>"]]


def test_a_conversation_is_refused_without_a_template():
    with pytest.raises(MeasurementError, match=r"^prompt talk/7 is a conversation, and the model is fed without"):
        encode(WordTokenizer(), [TALK], chat=False)
