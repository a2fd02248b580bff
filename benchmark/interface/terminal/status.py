"""The line that tells how far a session is, composed so that it fits a terminal of any width."""

from dataclasses import dataclass, field

from benchmark.interface.terminal.letters import Letters
from benchmark.messages import width as width_of

_LEAST_TITLE = 12
_BAR = 4, 20
"""Letters of the bar, at least and at most."""


@dataclass
class Status:
    """How far a session is."""

    phase: str = ""
    """What it does now, such as `decoding`."""
    title: str = ""
    """Model and workload; empty between cases."""
    number: int = 0
    """Of the case, from 1."""
    cases: int = 0
    """How many there are to measure; 0 if that is not known."""
    share: float | None = None
    """How much of the case is decoded, from 0 to 1; None before it begins."""
    counts: str = ""
    """How much that is, in words."""
    seconds: float = 0.0
    """Since the phase began; of a case that decodes, since the case began."""
    left: float | None = None
    """Seconds that all cases will still take, about; None if that cannot be known yet."""
    letters: Letters = field(default_factory=Letters)
    """What the terminal can show."""

    def line(self, width: int) -> str:
        """Return the line, shorter than the terminal by one letter, so that it never wraps.

        Where room is short, the bar goes first, then the middle of the title, the counts, the time, and the case's
        number.
        """
        room = width - 1
        percent = "" if self.share is None else f" {min(self.share, 1):.0%}"
        doing = self.phase + percent
        time = duration(self.seconds) if self.left is None else f"about {duration(self.left)} left"
        number = f"{self.number}/{self.cases}" if self.cases and self.title else ""
        ways = (
            (number, f"{doing}, {self.counts}" if self.counts else doing, time),
            (number, doing, time),
            (number, doing, time.removeprefix("about ")),
            (number, doing, ""),
            ("", doing, ""),
        )
        letters = self.letters
        for before, middle, behind in ways:
            fixed = [letters.shown(part) for part in (before, middle, behind) if part]
            spare = room - sum(map(width_of, fixed)) - 2 * (len(fixed) - 1)
            wanted = width_of(letters.shown(self.title)) + 2 if self.title else 0
            if spare >= min(wanted, _LEAST_TITLE + 2):
                break
        title = letters.cut(self.title, max(spare - 2, 0)) if self.title else ""
        spare -= width_of(title) + 2 if title else 0
        bar = (
            letters.bar(self.share, min(spare - 2, _BAR[1])) if self.share is not None and spare - 2 >= _BAR[0] else ""
        )
        parts = (before, title, middle, bar, behind)
        return letters.cut("  ".join(letters.shown(part) for part in parts if part), room)


def duration(seconds: float) -> str:
    """Return a time in the largest unit that fits: `9 s`, `12 min`, `3.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 99.5 else f"{minutes / 60:.1f} h"
