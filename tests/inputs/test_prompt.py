"""A prompt as plain data, and the hash of what is put to a model."""

import hashlib
import json
import pickle

import pytest
from pydantic import ValidationError

from benchmark.inputs.prompt import Prompt, Turn, prompts_sha256, targets_sha256

TURNS = (Turn(role="system", content="Be brief."), Turn(role="user", content="Why?"))


def test_a_text_is_one_turn_of_the_user():
    assert Prompt(id="a", messages="Why?").turns == [{"role": "user", "content": "Why?"}]


def test_turns_are_kept_in_their_order():
    prompt = Prompt(id="a", messages=TURNS)
    assert [turn["role"] for turn in prompt.turns] == ["system", "user"]
    assert prompt.text == "Be brief.\nWhy?"


def test_it_passes_from_process_to_process():
    prompt = Prompt(id="a", messages=TURNS, targets=("because",), stop=("\n",))
    assert pickle.loads(pickle.dumps(prompt)) == prompt


@pytest.mark.parametrize("messages", ["", "  \n", (), (Turn(role="user", content=" "),), 3, None, [lambda: 0]])
def test_what_is_no_text_is_refused(messages: object):
    with pytest.raises(ValidationError):
        Prompt(id="a", messages=messages)  # type: ignore[arg-type]


def test_an_empty_stop_string_is_refused():
    """Every text has it."""
    with pytest.raises(ValidationError):
        Prompt(id="a", messages="x", stop=("",))


class TestHash:
    """It is of what the model is given."""

    def test_of_texts_it_is_that_of_their_list(self):
        prompts = [Prompt(id="a", messages="one"), Prompt(id="b", messages="two")]
        assert prompts_sha256(prompts) == hashlib.sha256(json.dumps(["one", "two"]).encode()).hexdigest()

    def test_a_reference_answer_changes_nothing(self):
        assert prompts_sha256([Prompt(id="a", messages="x", targets=("y",))]) == prompts_sha256(
            [Prompt(id="b", messages="x")]
        )

    def test_reference_answers_have_a_hash_of_their_own(self):
        one, other, none = ([Prompt(id="a", messages="x", targets=targets)] for targets in (("y",), ("y", "z"), ()))
        assert targets_sha256(one) == hashlib.sha256(b'[["y"]]').hexdigest()
        assert targets_sha256(one) != targets_sha256(other)
        assert targets_sha256(none) is None

    def test_turns_and_stop_strings_do(self):
        text = [Prompt(id="a", messages="Why?")]
        others = [[Prompt(id="a", messages=TURNS)], [Prompt(id="a", messages="Why?", stop=("\n",))]]
        assert len({prompts_sha256(prompts) for prompts in (text, *others)}) == 3
