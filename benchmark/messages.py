"""Parts of messages: names and values that anybody may have chosen, as they may stand in a line on a terminal."""

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any


def printable(text: object) -> str:
    """The text with U+FFFD for what cannot be printed: line ends, escape sequences, bytes that are no UTF-8."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(text))


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
