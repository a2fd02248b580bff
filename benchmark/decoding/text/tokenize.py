"""From prompts to token ids, with nothing lost on the way.

A chat template is a program of whoever made the model. What it must keep is checked: the texts of all turns are in what
it writes. Its clock is pinned, so that a prompt is the same on every day.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import date
from typing import Any

from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase

from benchmark.errors import ExitBenchError, InputError, MeasurementError
from benchmark.inputs.prompt import Prompt

TODAY = date(2026, 1, 1)
"""The date that chat templates are told is today."""
MOST_UNKNOWN = 0.05
"""Share of tokens that a tokenizer may not know, over the prompts of a case."""
_CLOCK = re.compile(r"""strftime_now\(\s*("[^"]*"|'[^']*')\s*\)""")
_ANY_CLOCK = re.compile(r"strftime_now\s*\(")
_DICE = re.compile(r"\|\s*random\b")
_PART = re.compile(r"""\{\s*['"](type|text)['"]\s*:""")
_WITHOUT = "set chat_template: false in the entry to feed the text as it stands"


def encode(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], chat: bool, end_ids: frozenset[int] = frozenset()
) -> list[list[int]]:
    """Return the token ids of each prompt, through the chat template or as the tokenizer encodes it by default.

    Args:
        tokenizer: of the model.
        prompts: to encode.
        chat: whether they go through the chat template.
        end_ids: tokens that end a text which the model is to continue; a tokenizer may write one behind each text. None
            of them for an encoder, where such a token belongs to the text.

    Raises:
        MeasurementError: a prompt cannot be encoded, or the template drops its text, or it is a conversation and there
            is no template, or too many of its tokens are unknown.
    """
    template = pinned_template(tokenizer) if chat else None
    found = []
    for prompt in prompts:
        with _naming(prompt):
            if template is None:
                ids = _as_it_stands(tokenizer, prompt)
                while ids and ids[-1] in end_ids:
                    ids.pop()
            else:
                ids = _by_template(tokenizer, prompt, template)
                if ids and ids[-1] in end_ids:
                    raise MeasurementError(
                        f"the chat template ends the text, so there is nothing to continue; {_WITHOUT}"
                    )
            while len(ids) > 1 and ids[0] == ids[1] == tokenizer.bos_token_id:
                del ids[0]  # written by the prompt or its template, and once more by the tokenizer
            found.append(ids)
    _refuse_unknown(tokenizer, found)
    return found


def pinned_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the chat template of a tokenizer with the date of `TODAY` in the place of the clock.

    Raises:
        MeasurementError: it asks for the clock otherwise than by a fixed format, or for chance.
    """
    try:
        template = tokenizer.get_chat_template()
    except ValueError as error:
        raise MeasurementError(f"the chat template cannot be chosen: {_line(error)}; {_WITHOUT}") from None
    pinned = _CLOCK.sub(lambda call: json.dumps(TODAY.strftime(call[1][1:-1])), template)
    if _ANY_CLOCK.search(pinned) or _DICE.search(pinned):
        raise MeasurementError(f"the chat template writes another text each time; {_WITHOUT}")
    return pinned


def asks_for_date(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the chat template of a tokenizer writes the date into prompts."""
    return _CLOCK.search(tokenizer.get_chat_template()) is not None


def refuse_unusable(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    """Make sure that a tokenizer has a vocabulary, and gives a text back.

    Args:
        tokenizer: of the model.
        text: an ordinary one.

    Raises:
        InputError: it knows no word, or loses a part of the text.
    """
    vocabulary = tokenizer.get_vocab()
    special = {*tokenizer.get_added_vocab(), *tokenizer.all_special_tokens}
    ordinary = [token for token in vocabulary if any(map(str.isalnum, token)) and token not in special]
    ids = list(tokenizer(text, add_special_tokens=False).input_ids)
    if not ordinary and vocabulary:
        raise InputError(
            f"the tokenizer has no vocabulary, only {len(vocabulary)} special ones; fetch the files that belong to "
            "it, such as tokenizer.json"
        )
    if not ids:
        raise InputError("the tokenizer makes no token of an ordinary text; fetch the files that belong to it")
    back = tokenizer.decode(ids, skip_special_tokens=True)
    if tokenizer.unk_token_id not in ids and not _letters(text) == _letters(back):
        raise InputError(
            f"the tokenizer loses text: {text!r} comes back as {back[:80]!r}; fetch the files of the model"
        )


def leaving_open(tokenizer: PreTrainedTokenizerBase, end_ids: frozenset[int]) -> PreTrainedTokenizerBase:
    """Return a tokenizer that writes no end of text behind what is to be continued: this one, or a copy of it."""
    ids = list(tokenizer("a").input_ids)
    bare = list(tokenizer("a", add_special_tokens=False).input_ids)
    if not ids or ids[-1] not in end_ids or not bare or bare[0] not in ids or not tokenizer.is_fast:
        return tokenizer
    front = [(tokenizer.convert_ids_to_tokens(number), number) for number in ids[: ids.index(bare[0])]]
    copy = deepcopy(tokenizer)
    single = [*(token for token, _ in front), "$A"]
    copy.backend_tokenizer.post_processor = TemplateProcessing(single=single, special_tokens=front)
    return copy


def _by_template(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, template: str) -> list[int]:
    """Return the ids of a conversation, its texts as plain ones or in parts, whichever the template reads."""
    prompt_turns = prompt.turns
    in_parts = [{**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in prompt_turns]
    reasons: list[str] = []
    for turns in (prompt_turns, in_parts):
        try:
            options: dict[str, Any] = {"chat_template": template, "add_generation_prompt": True}
            written = tokenizer.apply_chat_template(turns, tokenize=False, **options)
            # A template for plain texts writes the parts out as Python does.
            as_text = turns is prompt_turns or not _PART.search(written)
            if as_text and all(_squeezed(turn["content"]) in _squeezed(written) for turn in prompt_turns):
                return list(tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False, **options))
            reasons.append("it leaves the text out")
        except Exception as error:  # whatever a template and its functions may raise
            reasons.append(_line(error))
    raise MeasurementError(f"the chat template cannot be used: {reasons[0]}; {_WITHOUT}")


def _as_it_stands(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    if not isinstance(prompt.messages, str):
        raise MeasurementError("it is a conversation, and the model is fed without a chat template")
    try:
        return list(tokenizer(prompt.messages).input_ids)
    except Exception as error:  # whatever a tokenizer may raise, of lone surrogates for one
        raise MeasurementError(f"the tokenizer cannot encode it: {_line(error)}; leave it out") from None


def _refuse_unknown(tokenizer: PreTrainedTokenizerBase, encoded: Sequence[Sequence[int]]) -> None:
    unknown, total = (sum(map(counting, encoded)) for counting in (lambda ids: ids.count(tokenizer.unk_token_id), len))
    if unknown > MOST_UNKNOWN * total:
        raise MeasurementError(
            f"{unknown} of {total} tokens of the prompts are unknown to the tokenizer; choose a workload in a language "
            "and a script that it knows"
        )


@contextmanager
def _naming(prompt: Prompt) -> Iterator[None]:
    """Inside the block errors begin with the prompt's id."""
    try:
        yield
    except ExitBenchError as error:
        raise MeasurementError(f"prompt {prompt.id}: {error}", error.setting) from None


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _letters(text: str) -> str:
    """Return the letters and digits of a text in lower case, without accents: what every kind of tokenizer keeps."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text).casefold() if letter.isalnum())


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:150] or type(error).__name__
