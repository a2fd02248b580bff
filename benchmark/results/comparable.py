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
GIVEN = "of given texts, not the model's own"
OTHER_ALPHA = "of another alpha than most"
OTHER_PROMPTS = "of other prompts or another number of new tokens than most"
OLDER = "older than a row of the same model and workload"


class Outcome(Protocol):
    """What a row says of how its run ended."""

    @property
    def suite(self) -> str:
        """Name of the study."""

    @property
    def status(self) -> str:
        """Whether the case gave numbers, `ok`."""

    @property
    def capture(self) -> str:
        """Whether the texts were `decoded` or `given`."""

    @property
    def limited(self) -> bool:
        """Whether only the first prompts were asked for."""


class Asked(Protocol):
    """What a row says of what was asked for."""

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


def not_a_full_run(row: Outcome, study: str = STUDY) -> str | None:
    """Return why a row is not of a full run of a study that went well, on the model's own texts, or None."""
    if row.suite != study:
        return OTHER_STUDY
    if row.capture != "decoded":
        return GIVEN
    if row.status != "ok":
        return FAILED
    return LIMITED if row.limited else None


def usual(of: Sequence[Hashable], settings: Sequence[tuple[Hashable, ...]], started: Sequence[str]) -> list[bool]:
    """Return whether each row has the setting that is kept for its group.

    It is the one that most rows of the group have. On a tie it is the one whose last part more rows have altogether, so
    that a model measured in two dtypes is compared in the dtype of the other models: a date tells nothing about which
    of two settings compares better. Where that is a tie, too, it is the setting of the newest row; of rows measured at
    the same time, of the last one.

    Args:
        of: group of each row.
        settings: setting of each row; equal settings are equal values, so none may hold a NaN.
        started: when each row was measured.
    """
    keys = list(zip(of, settings, strict=True))
    size = Counter(keys)
    everywhere = Counter(setting[-1] for setting in settings)
    last: dict[tuple[Hashable, tuple[Hashable, ...]], tuple[str, int]] = {}
    for number, (key, when) in enumerate(zip(keys, started, strict=True)):
        last[key] = max(last.get(key, ("", -1)), (when, number))
    kept: dict[Hashable, tuple[Hashable, ...]] = {}
    for group, setting in sorted(size, key=lambda key: (size[key], everywhere[key[1][-1]], last[key])):
        kept[group] = setting
    return [kept[group] == setting for group, setting in keys]


def asked_otherwise(rows: Sequence[Asked]) -> list[str | None]:
    """Return for each row why it was asked for otherwise than most, or None.

    All full runs decide together what is usual, those of encoders and of quantized models as well: a leaderboard sets
    every line against one reference, and who reads fewer of them must not come to another choice.

    Args:
        rows: all that `not_a_full_run` lets pass.
    """
    started = [row.started for row in rows]
    alphas = usual([""] * len(rows), [(row.alpha,) for row in rows], started)
    alike = [row for row, kept in zip(rows, alphas, strict=True) if kept]
    asked = [(row.prompts_sha256, row.max_new_tokens) for row in alike]
    usually = iter(usual([row.workload for row in alike], asked, [row.started for row in alike]))
    return [OTHER_ALPHA if not kept else None if next(usually) else OTHER_PROMPTS for kept in alphas]


def newest(cases: Sequence[Hashable], started: Sequence[str]) -> list[bool]:
    """Return whether each row is the newest of its case; of rows measured at the same time, the last one is."""
    last: dict[Hashable, tuple[str, int]] = {}
    for number, (case, when) in enumerate(zip(cases, started, strict=True)):
        last[case] = max(last.get(case, ("", -1)), (when, number))
    return [last[case][1] == number for number, case in enumerate(cases)]
