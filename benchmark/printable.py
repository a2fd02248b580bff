"""Names of files and keys of YAML, which anybody may have chosen, as they may stand in a line on a terminal."""


def printable(text: object) -> str:
    """The text with U+FFFD for what cannot be printed: line ends, escape sequences, bytes that are no UTF-8."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(text))
