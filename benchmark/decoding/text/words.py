"""Sub-words: the text that each token adds, and its place in its word.

A **word** is a longest run of letters and digits (Unicode categories L and N) and the marks (M) that follow them. An
apostrophe, or a joiner without width, between two of these belongs to the word: "don't" is one word. Everything else
stands between words: of "x_1 = 3.14" the words are x, 1, 3 and 14. Where a script writes no spaces, as Chinese does, a
run between two punctuation marks is one word.

The **place** of a token is the number of earlier tokens that hold a part of its word, so 0 begins a word. A token with
parts of two words belongs to the first of them. A token that holds only some bytes of a character belongs to the word
of that character. A token without any part of a word has place -1, and so have special tokens, tokens added to the
vocabulary beside its own, and ids that stand for nothing.

Nothing here knows the tokenizers' families. What a token adds is the difference that it makes to the decoded text of a
few tokens around it; only parts of characters are looked up in the vocabulary, because decoding does not show which
bytes they are.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from tokenizers import pre_tokenizers
from transformers import PreTrainedTokenizerBase

_PROMPT_TAIL = 32
"""Tokens of the prompt that are looked at; a word that begins further back counts from there."""
_CONTEXT = 4
"""Tokens decoded in front of one: decoders drop the space that begins or ends a text, and some tokens are no more."""
_UNREADABLE = "\ufffd"

# Byte-level vocabularies write a byte as the character of its number; those that do not print, from U+0100 on.
_PRINTED = pre_tokenizers.ByteLevel.alphabet()
_UNPRINTED = [byte for byte in range(256) if chr(byte) not in _PRINTED]
_BYTE_OF = {chr(byte): byte for byte in range(256)} | {chr(256 + n): byte for n, byte in enumerate(_UNPRINTED)}

_CLASS_OF_CATEGORY = {"L": "w", "N": "w", "M": "m"}
_CLASS_OF_JOINER = dict.fromkeys("'\u2019\u200c\u200d", "'")
# A mark begins no word: the variation selector behind an emoji is one.
_WORD = re.compile("w(?:[wm]|'(?=w))*")


def read_pieces(
    tokenizer: PreTrainedTokenizerBase, before: Sequence[int], generated: Sequence[int]
) -> tuple[list[str], list[int]]:
    """What each generated token adds to the text, and its place in its word.

    A part of a character shows as U+FFFD, a special token as its name, an id unknown to the tokenizer as nothing. No id
    raises an error.

    Args:
        tokenizer: of the model.
        before: ids of the prompt, whose last word the first tokens may continue.
        generated: ids that follow it.
    """
    context = list(before)[-_PROMPT_TAIL:]
    texts, places = _read(tokenizer, [*context, *generated])
    return texts[len(context) :], places[len(context) :]


def read_masked(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], positions: Sequence[int]
) -> tuple[list[str], list[int]]:
    """What the tokens at some positions of a text add to it, and their places in their words, as in `read_pieces`.

    Args:
        tokenizer: of the model.
        ids: of the text, before any of them is masked.
        positions: indices into `ids`, in any order.
    """
    texts, places = _read(tokenizer, ids)
    return [texts[position] for position in positions], [places[position] for position in positions]


@dataclass(frozen=True)
class _Token:
    """What an id is by itself."""

    text: str
    """Decoded alone."""
    content: bytes | None
    """What it adds to any text; None where its neighbours decide, as they do about a space in front of it."""
    decoded: bool
    """Whether it takes part in decoding; special and unknown tokens do not."""
    in_words: bool
    """Whether its letters may belong to words."""


def _read(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> tuple[list[str], list[int]]:
    ids = [int(token) for token in ids]
    tokens = _tokens(tokenizer, set(ids))
    contents = _contents(tokenizer, ids, tokens)
    return [content.decode(errors="replace") for content in contents], _places(
        contents, [tokens[token].in_words for token in ids]
    )


def _tokens(tokenizer: PreTrainedTokenizerBase, ids: set[int]) -> dict[int, _Token]:
    try:
        added = tokenizer.added_tokens_decoder
    except NotImplementedError:  # the tokenizers of mistral-common
        added = {}
    # By name, because some tokenizers read every id they do not know as their unknown token.
    special = {*tokenizer.all_special_tokens, *(token.content for token in added.values() if token.special)}
    tokens = {}
    for token in ids:
        try:
            piece, text = tokenizer.convert_ids_to_tokens(token), _decode(tokenizer, [token])
        except Exception:
            # Embeddings are often padded beyond the vocabulary, and each class refuses an id in its own way.
            piece, text = None, ""
        if piece is None:
            tokens[token] = _Token("", b"", decoded=False, in_words=False)
        elif piece in special:
            tokens[token] = _Token(text, piece.encode(), decoded=False, in_words=False)
        else:
            tokens[token] = _Token(text, _partial_bytes(piece, text), decoded=True, in_words=token not in added)
    return tokens


def _partial_bytes(piece: str, text: str) -> bytes | None:
    """Bytes of a vocabulary entry that holds parts of characters, given its decoded text; None for any other."""
    if text and _UNREADABLE not in text:
        return None
    if fallback := re.fullmatch("<0x([0-9A-Fa-f]{2})>", piece):
        content = bytes.fromhex(fallback[1])
    elif all(character in _BYTE_OF for character in piece):
        content = bytes(_BYTE_OF[character] for character in piece)
    else:
        return None
    return content if text in (content.decode(errors="replace"), content.decode(errors="ignore")) else None


def _contents(tokenizer: PreTrainedTokenizerBase, ids: list[int], tokens: dict[int, _Token]) -> list[bytes]:
    """What each id adds to the text, in UTF-8."""
    contents = [tokens[token].content for token in ids]
    decoded = [index for index, token in enumerate(ids) if tokens[token].decoded]
    for place, index in enumerate(decoded):
        if contents[index] is not None:
            continue
        window = [ids[other] for other in decoded[max(0, place - _CONTEXT) : place + 2]]
        size = min(place, _CONTEXT)
        earlier = _decode(tokenizer, window[:size]) if size else ""
        here = _decode(tokenizer, window[: size + 1])
        # Where the vocabulary marks the end of words, or their continuation, the next token changes what stands here.
        # One that only begins a character would make parts of a character of what stands here.
        follows = len(window) > size + 1 and tokens[window[-1]].content is None
        later = _decode(tokenizer, window) if follows else here
        text = here[_common(earlier, here) : _common(here, later)]
        alone = tokens[ids[index]].text
        # Byte fallback cannot decode a whole run of bytes when one of them is missing.
        readable = _UNREADABLE not in text or _UNREADABLE in alone
        contents[index] = (text if readable else alone).encode(errors="surrogatepass")
    return [content or b"" for content in contents]


def _common(first: str, second: str) -> int:
    """Length of the beginning that two texts share."""
    differing = (place for place, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1])
    return next(differing, min(len(first), len(second)))


def _decode(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def _places(contents: list[bytes], in_words: list[bool]) -> list[int]:
    # A byte that belongs to no whole character becomes one character of its own, so every byte can be found again.
    text = b"".join(contents).decode(errors="surrogateescape")
    owner = [index for index, content in enumerate(contents) for _ in content]
    starts = [0, *accumulate(len(character.encode(errors="surrogateescape")) for character in text)]
    classes = "".join(
        _class(character) if in_words[owner[start]] else " " for character, start in zip(text, starts, strict=False)
    )
    places = [-1] * len(contents)
    for word in _WORD.finditer(classes):
        holders = dict.fromkeys(owner[starts[word.start()] : starts[word.end()]])
        for place, index in enumerate(holders):
            if places[index] == -1:
                places[index] = place
    return places


def _class(character: str) -> str:
    joiner = _CLASS_OF_JOINER.get(character)
    return joiner or _CLASS_OF_CATEGORY.get(unicodedata.category(character)[0], " ")
