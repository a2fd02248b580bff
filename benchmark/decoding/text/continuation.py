"""From a text that was given behind a prompt to token ids that say this text and nothing else.

The ids of the prompt come first, as in decoding, and those of the text follow: where the one ends and the other begins
is never left to the tokenizer.
"""

import unicodedata
from collections.abc import Sequence

from benchmark.decoding.text.stops import continued, text_behind
from benchmark.decoding.text.words import read_pieces
from benchmark.errors import MeasurementError
from benchmark.inputs.prompt import Prompt
from benchmark.readout.loaded_model import LoadedModel

_SHOWN = 30
"""Letters of a text in an error."""


def continuation_ids(model: LoadedModel, prompt: Prompt, ids: Sequence[int]) -> list[int]:
    """Return the token ids of the text that was given behind a prompt: its own, or what the tokenizer makes of it.

    Args:
        model: that is to run them.
        prompt: with a given text.
        ids: token ids of the prompt, as the model is fed it.

    Raises:
        MeasurementError: the text does not come back from the ids, or a token is none of the model.
    """
    assert prompt.given is not None
    text, own = prompt.given.text, prompt.given.token_ids
    if own is not None:
        _refuse_unknown(model, prompt, own)
        if text is not None and not _says(model, ids, own, text):
            raise MeasurementError(
                f"prompt {prompt.id}: the token ids of its text do not say '{_cut(text)}' in the tokens of this model; "
                "give them as its tokenizer has them, or the text alone"
            )
        return list(own)
    assert text is not None
    for found in _candidates(model, prompt, ids, text):
        if found and _says(model, ids, found, text):
            _refuse_unknown(model, prompt, found)
            return found
    raise MeasurementError(
        f"prompt {prompt.id}: its text, '{_cut(text)}', does not come back from the tokens that the tokenizer makes of "
        "it; give token_ids, or leave it out"
    )


def _candidates(model: LoadedModel, prompt: Prompt, ids: Sequence[int], text: str) -> list[list[int]]:
    """Return what the tokenizer makes of a text: by itself, where some begin it with a space, and behind its prompt."""
    try:
        alone = list(model.tokenizer(text, add_special_tokens=False).input_ids)
        whole = list(model.tokenizer(f"{prompt.text}{text}").input_ids)
    except Exception:  # whatever a tokenizer may raise, of lone surrogates for one
        return []
    return [alone, whole[len(ids) :]] if whole[: len(ids)] == list(ids) else [alone]


def _says(model: LoadedModel, prompt: Sequence[int], ids: Sequence[int], text: str) -> bool:
    """Whether token ids say a text behind a prompt, with what ends it or without."""
    before = continued(model, prompt)
    spoken = (
        text_behind(model.tokenizer, before, ids, skip_special_tokens=False),
        text_behind(model.tokenizer, before, ids, skip_special_tokens=True),
        "".join(read_pieces(model.tokenizer, before, ids)[0]),  # as a trace has it
    )
    # Letters that can be written in two ways are one to many tokenizers.
    return unicodedata.normalize("NFC", text) in {unicodedata.normalize("NFC", one) for one in spoken}


def _refuse_unknown(model: LoadedModel, prompt: Prompt, ids: Sequence[int]) -> None:
    """Make sure that the model has an embedding for every token, and a logit."""
    rows = min(model.readout.vocab_size, getattr(model.model.get_input_embeddings(), "num_embeddings", max(ids) + 1))
    if max(ids) >= rows:
        raise MeasurementError(
            f"prompt {prompt.id}: token {max(ids)} of its text is beyond the {rows} of the model; give token ids of "
            "its own tokenizer, or the text"
        )


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
