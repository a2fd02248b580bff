"""The one rule of which rows may stand beside each other, for the leaderboard and for findings.

A comparison is only as good as the worst row in it. Rows of one study, of full runs that went well, are compared; of
settings that differ, the usual one is kept; of several rows of one case, the newest. What is left out has a reason.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Protocol

STUDY = "oracle"
"""The study whose rows are compared; those of another have other columns."""
OTHER_STUDY = "of another study"
FAILED = "failed"
LIMITED = "limited, not the prompts of a full run"
OTHER_ALPHA = "of another alpha than most"
OTHER_PROMPTS = "of other prompts or another number of new tokens than most"
OLDER = "older than a row of the same model and workload"


class Asked(Protocol):
    """A row, as far as the rule asks."""

    @property
    def workload(self) -> str:
        """Name of the workload."""

    @property
    def alpha(self) -> float:
        """Weight of similarity against depth in EAS."""

    @property
    def prompts_sha256(self) -> str | None:
        """Hash of the prompts."""

    @property
    def max_new_tokens(self) -> float | None:
        """Tokens a prompt at most."""

    @property
    def started(self) -> str:
        """When it was measured, in ISO 8601."""


def usual(of: Sequence[Hashable], settings: Sequence[tuple[Hashable, ...]], started: Sequence[str]) -> list[bool]:
    """Return whether each row has the setting that is kept for its group.

    It is the one that most rows of the group have. On a tie it is the one whose last part more rows have altogether, so
    that models measured in two dtypes are compared in the dtype of the others; then the one of the newest row.

    Args:
        of: group of each row.
        settings: setting of each row.
        started: when each row was measured.
    """
    size = Counter(zip(of, settings, strict=True))
    everywhere = Counter(setting[-1] for setting in settings)
    newest: dict[tuple[Hashable, tuple[Hashable, ...]], str] = {}
    for group, setting, when in zip(of, settings, started, strict=True):
        newest[group, setting] = max(when, newest.get((group, setting), ""))
    kept: dict[Hashable, tuple[Hashable, ...]] = {}
    for group, setting in sorted(size, key=lambda one: (size[one], everywhere[one[1][-1]], newest[one])):
        kept[group] = setting
    return [kept[group] == setting for group, setting in zip(of, settings, strict=True)]


def asked_otherwise(rows: Sequence[Asked]) -> list[str | None]:
    """Return of each row why it was asked for otherwise than most, or None.

    Args:
        rows: of full runs that went well.
    """
    started = [row.started for row in rows]
    alphas = usual([""] * len(rows), [(row.alpha,) for row in rows], started)
    alike = [row for row, kept in zip(rows, alphas, strict=True) if kept]
    asked = [(row.prompts_sha256, row.max_new_tokens) for row in alike]
    usually = iter(usual([row.workload for row in alike], asked, [row.started for row in alike]))
    return [OTHER_ALPHA if not kept else None if next(usually) else OTHER_PROMPTS for kept in alphas]


def newest(cases: Sequence[Hashable], started: Sequence[str]) -> list[bool]:
    """Return whether each row is the newest of its case; of rows measured at the same time the last one."""
    last: dict[Hashable, tuple[str, int]] = {}
    for number, (case, when) in enumerate(zip(cases, started, strict=True)):
        last[case] = max(last.get(case, ("", -1)), (when, number))
    return [last[case][1] == number for number, case in enumerate(cases)]
