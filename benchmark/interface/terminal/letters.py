"""Letters that a terminal can show."""

import textwrap
from dataclasses import dataclass

from benchmark.messages import printable, shortened

_PLAIN = str.maketrans({"×": "x", "…": "~", "–": "-", "\N{REPLACEMENT CHARACTER}": "?"})
_JOINED = "\N{NO-BREAK SPACE}"
_EIGHTHS = "▏▎▍▌▋▊▉█"


def folded(text: str, columns: int, indent: str = "") -> list[str]:
    """Return a text as lines that fit a terminal, broken between words; names with hyphens stay whole."""
    if "\n" in text or (len(text) <= columns and not indent):
        return [text]
    lines = textwrap.wrap(
        text.replace(" %", f"{_JOINED}%"),  # a number stays with its unit
        max(columns, 20),
        initial_indent=indent,
        subsequent_indent=indent or "  ",
        break_on_hyphens=False,
    )
    return [line.replace(_JOINED, " ") for line in lines]


@dataclass(frozen=True)
class Letters:
    """What an encoding can show."""

    encoding: str = "utf-8"

    def shown(self, text: str) -> str:
        """Return a text as it will stand there: nothing that moves the cursor, and no letter that the encoding lacks.

        Such letters become plain ones that look alike, or escapes, such as `\\u4e2d`.
        """
        text = printable(text)
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return text.translate(_PLAIN).encode(self.encoding, "backslashreplace").decode(self.encoding)
        return text

    def cut(self, text: str, columns: int) -> str:
        """Return a text as it will stand there, with its middle left out if it takes more columns than there are."""
        return shortened(self.shown(text), columns, self.shown("…"))

    @property
    def bar_ends(self) -> int:
        """Columns that a bar takes beside its own."""
        return 0 if self._has_blocks else 2

    @property
    def _has_blocks(self) -> bool:
        return self.shown(_EIGHTHS) == _EIGHTHS

    def bar(self, share: float, columns: int, track: bool = True) -> str:
        """Return a bar of some columns, of which a share is full; `track` shows how far it may go."""
        full, rest = divmod(round(min(max(share, 0.0), 1.0) * columns * 8), 8)
        if not self._has_blocks:
            return f"[{'#' * full}{('.' if track else ' ') * (columns - full)}]"
        part = _EIGHTHS[rest - 1] if rest else ""
        return f"{'█' * full}{part}{('░' if track else ' ') * (columns - full - len(part))}"
