"""The line that tells how far a session is, composed so that it fits a terminal of any width."""

from dataclasses import dataclass, field

from benchmark.interface.terminal.letters import Letters
from benchmark.messages import width as width_of

_GAP = "  "
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
        ways = ((number, with_counts, times), (number, doing, times), (number, doing, left or passed), ("", doing, ""))
        for needed in (width_of(title), min(width_of(title), _LEAST_TITLE)):
            for way in ways[:2] if needed > _LEAST_TITLE else ways:
                parts = [part for part in way if part]
                spare = room - sum(map(width_of, parts)) - len(_GAP) * (len(parts) - (not title))
                if spare >= needed:
                    break
            if spare >= needed:
                break
        before, middle, behind = way
        title = letters.cut(title, max(spare, 0))
        spare -= width_of(title) + len(_GAP)
        bar = (
            letters.bar(self.share, min(spare - 2, _BAR[1])) if self.share is not None and spare - 2 >= _BAR[0] else ""
        )
        return letters.cut(_GAP.join(part for part in (before, title, middle, bar, behind) if part), room)


def duration(seconds: float) -> str:
    """Return a time in the largest unit that fits: `9 s`, `12 min`, `3.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 99.5 else f"{minutes / 60:.1f} h"
