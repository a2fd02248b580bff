"""Parts of messages: names and values that anybody may have chosen, as they may stand in a line on a terminal."""

import difflib
import reprlib
import unicodedata
from collections.abc import Iterable
from typing import Any


def printable(text: object) -> str:
    """The text with U+FFFD for what cannot be printed: line ends, escape sequences, bytes that are no UTF-8."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(text))


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(map(_columns, text))


def shortened(text: str, columns: int, dots: str = "…") -> str:
    """Return a text with its middle left out, if it takes more columns than there are."""
    if width(text) <= columns:
        return text
    front = _front(text, (columns - 1) // 2)
    # More of the end: there is what differs between names.
    back = _front(text[::-1], columns - 1 - width(front))[::-1]
    return f"{front}{dots}{back}" if columns > 0 else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that may have been meant; None if none is near."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)), None)


def suggest(word: str, known: list[str]) -> str:
    """What to say after "unknown field": the nearest known one, or all of them."""
    near = nearest(word, known)
    return f"; did you mean '{near}'?" if near else f"; known fields: {', '.join(known)}"


def cut(value: Any) -> str:
    """A value as it may stand in an error of one line."""
    # Cuts while it builds the text: an alias bomb has a short YAML and an endless repr.
    short = reprlib.Repr()
    short.maxstring = short.maxother = 60
    return short.repr(value)


def _columns(letter: str) -> int:
    """How many columns a letter takes: two where it is wide, none where it is put on the letter before."""
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def _front(text: str, columns: int) -> str:
    """The letters at the beginning that take no more columns."""
    used = 0
    for number, letter in enumerate(text):
        used += _columns(letter)
        if used > columns:
            return text[:number]
    return text
