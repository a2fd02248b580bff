"""The line that tells how far a session is, composed so that it fits a terminal of any width."""

from dataclasses import dataclass, field

from benchmark.interface.terminal.letters import Letters
from benchmark.messages import width as width_of

_GAP = "  "
_LEAST_TITLE = 12
_NARROW = 60
_BAR = 6, 20
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
    """How much of the phase is done, from 0 to 1; None where that is not known."""
    counts: str = ""
    """How much that is, in words."""
    seconds: float = 0.0
    """Since the phase began."""
    left: float | None = None
    """Seconds that all cases will still take, about; None if that cannot be known yet."""
    letters: Letters = field(default_factory=Letters)
    """What the terminal can show."""

    def line(self, width: int) -> str:
        """Return the line, shorter than the terminal by one column, so that it never wraps.

        Where room is short, the counts go first, then the middle of the title, the time that has passed, the time that
        is left, and the number of the case. What room is left is the bar's.
        """
        letters, room = self.letters, width - 1
        percent = "" if self.share is None else f" {100 * min(self.share, 1):.0f} %"
        doing, passed = letters.shown(self.phase + percent), duration(self.seconds)
        left = "" if self.left is None or self.left < 1 else f"{duration(self.left)} left"
        number = f"{self.number}/{self.cases}" if self.cases and self.title else ""
        title = letters.shown(self.title)
        times = ", ".join(filter(None, (passed, left)))
        with_counts = f"{doing}, {self.counts}" if self.counts and self.share is not None else doing
        # On a terminal that is not narrow there is always room for a short bar.
        kept = _BAR[0] + len(_GAP) if self.share is not None and width >= _NARROW else 0
        ways = (
            (number, with_counts, times, width_of(title)),
            (number, doing, times, width_of(title)),
            (number, doing, times, _LEAST_TITLE),
            (number, doing, left or passed, _LEAST_TITLE),
            ("", doing, left or passed, _LEAST_TITLE),
            ("", doing, "", 0),
        )
        for before, middle, behind, needed in ways:
            parts = [part for part in (before, middle, behind) if part]
            spare = room - kept - sum(map(width_of, parts)) - len(_GAP) * (len(parts) - (not title))
            if spare >= min(needed, width_of(title)):
                break
        title = letters.cut(title, max(spare, 0))
        length = min(spare + kept - width_of(title) - len(_GAP) - letters.bar_ends, _BAR[1])
        bar = letters.bar(self.share, length) if self.share is not None and length >= _BAR[0] else ""
        return letters.cut(_GAP.join(part for part in (before, title, middle, bar, behind) if part), room)


def duration(seconds: float) -> str:
    """Return a time in the largest unit that fits: `9 s`, `12 min`, `3.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 99.5 else f"{minutes / 60:.1f} h"
