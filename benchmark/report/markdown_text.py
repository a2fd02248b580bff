"""Tables as GitHub's Markdown, in which no text is markup."""

import re
from collections.abc import Collection, Sequence

from benchmark.messages import printable

_MARKUP = re.compile(r"[\\`*{}\[\]<>|~&$@#]|:(?=//)|(?i:www\.)|(?<![^\W_])_|_(?![^\W_])")


def escape(text: str) -> str:
    """A text from anywhere, so that it stands in a table as it is: no markup, no link, no HTML, no line break."""
    return printable(_MARKUP.sub(lambda found: f"&#{ord(found[0][0])};{found[0][1:]}", " ".join(text.split())))


def table(heading: Sequence[str], cells: Sequence[Sequence[str]], left: Collection[int]) -> str:
    """Return a table of cells that are Markdown: columns of texts stand to the left, the others, numbers, to the right.

    Args:
        heading: of each column.
        cells: of each line.
        left: numbers of the columns of texts.
    """
    sides = ["---" if column in left else "---:" for column in range(len(heading))]
    return "\n".join(f"| {' | '.join(line)} |" for line in [heading, sides, *cells])
