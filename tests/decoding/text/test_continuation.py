"""Given texts as token ids: the text and nothing else, or one line that says why not."""

import pytest

from benchmark.decoding.prepare import prepare
from benchmark.decoding.text.continuation import continuation_ids
from benchmark.errors import MeasurementError
from benchmark.inputs.prompt import Continuation, Prompt
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer


@pytest.fixture(scope="module")
def llama() -> LoadedModel:
    """A token a letter."""
    return prepare(tiny_model("llama", "causal"), tiny_tokenizer(), "causal")


def ids_of(model: LoadedModel, text: str | None, token_ids: tuple[int, ...] | None = None) -> list[int]:
    prompt = Prompt(id="7", messages="It is ", given=Continuation(text=text, token_ids=token_ids))
    return continuation_ids(model, prompt, model.tokenizer("It is ").input_ids)


def test_a_text_is_its_tokens(llama: LoadedModel):
    assert ids_of(llama, "late.") == llama.tokenizer("late.").input_ids


def test_token_ids_are_taken_as_they_are(llama: LoadedModel):
    late = llama.tokenizer("late").input_ids
    assert ids_of(llama, None, tuple(late)) == late
    # What ends a text is not among its letters, as other engines give them.
    assert ids_of(llama, "late", (*late, llama.tokenizer.eos_token_id)) == [*late, llama.tokenizer.eos_token_id]


@pytest.mark.parametrize(
    ("text", "token_ids", "line"),
    [
        ("naïve", None, "prompt 7: its text, 'naïve', does not come back from the tokens"),
        ("late", (9, 9), "prompt 7: the token ids of its text do not say 'late'"),
        (None, (5, 128), "prompt 7: token 128 of its text is beyond the 128 of the model"),
    ],
)
def test_what_is_not_the_text_is_refused(
    llama: LoadedModel, text: str | None, token_ids: tuple[int, ...] | None, line: str
):
    with pytest.raises(MeasurementError) as error:
        ids_of(llama, text, token_ids)
    assert str(error.value).startswith(line) and "\n" not in str(error.value)


def test_any_text_comes_back_from_the_embedded_model(embedded: LoadedModel):
    for text in (" Paris.\n\n", "Привет, мир 🙂", "  x = {1: 'a'}\t", "<|im_end|>\n"):
        found = ids_of(embedded, text)
        assert embedded.tokenizer.decode(found, clean_up_tokenization_spaces=False) == text
