"""Which rows of two sides are compared: those that were asked the same, of one setting a side for all workloads.

A setting is a model in one source, revision, dtype, quantization and on one device. Equal settings are paired with
each other; where none is equal, the two that have most workloads in common are.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.report.board.setting import Setting, setting_of
from benchmark.results.comparable import LIMITED, STUDY
from benchmark.results.row import Row

Found = tuple[Path, Row]
"""A row and its file."""
_ALIKE = {
    "capture": "other texts, decoded or given",
    "texts_sha256": "other given texts",
    "workload_kind": "prompts put in another way",
    "prompts_sha256": "other prompts",
    "max_new_tokens": "another number of new tokens",
    "alpha": "another alpha; score both alike with exitbench recompute",
}
"""Columns that must be equal, and what is said where they are not."""


@dataclass(frozen=True)
class Paired:
    """A row of each side, to be compared."""

    one: Found
    other: Found

    @property
    def settings(self) -> tuple[Setting, Setting]:
        """Of each side."""
        return setting_of(self.one[1]), setting_of(self.other[1])


def names(settings: Iterable[Setting]) -> dict[Setting, str]:
    """Return what each setting is called beside the others: with source and revision only where it takes them."""
    found = dict.fromkeys(settings)
    alone = Counter(map(str, found))
    return {
        one: str(one) if alone[str(one)] == 1 else f"{one} from {one.source}, {one.revision or 'no revision'}"
        for one in found
    }


def paired(one: Sequence[Found], other: Sequence[Found]) -> tuple[list[Paired], list[str]]:
    """Return the rows to compare, and lines on the others: of the same model, unless each side has one of its own.

    Of several rows of a setting on a workload, a full run counts before a limited one, then the newest.
    """
    models = [{row.model for _, row in side} for side in (one, other)]
    two_models = len(models[0]) == len(models[1]) == 1 and models[0] != models[1]
    cases = [_by_case(side, two_models) for side in (one, other)]
    alike: list[Paired] = []
    left_out: list[str] = []
    further: list[list[Found]] = [[], []]
    for case in dict.fromkeys([*cases[0], *cases[1]]):
        found = [side.get(case, []) for side in cases]
        fitting = [Paired(a, b) for a in found[0] for b in found[1] if _refusal(a[1], b[1]) is None]
        alike += fitting
        if fitting:
            further = [some + more for some, more in zip(further, found, strict=True)]
        else:
            left_out.append(f"{' × '.join(filter(None, case))}: {_why_none(found[0], found[1])}")
    chosen = [
        two
        for model in dict.fromkeys("" if two_models else two.one[1].model for two in alike)
        for two in _of_model([two for two in alike if model in ("", two.one[1].model)])
    ]
    left_out += _further("A", further[0], [two.one[1] for two in chosen])
    left_out += _further("B", further[1], [two.other[1] for two in chosen])
    return chosen, left_out


def _by_case(side: Iterable[Found], two_models: bool) -> dict[tuple[str, str], list[Found]]:
    """The rows of each (model, workload) that went well: of the oracle study if there are any."""
    cases: dict[tuple[str, str], list[Found]] = {}
    for found in side:
        if found[1].status == "ok":
            cases.setdefault(("" if two_models else found[1].model, found[1].workload), []).append(found)
    return {case: [one for one in some if one[1].suite == STUDY] or some for case, some in cases.items()}


def _why_none(one: Sequence[Found], other: Sequence[Found]) -> str:
    """Why no row of one side can be compared with one of the other: of the newest two, where both have one."""
    if not one or not other:
        return f"only {'B' if other else 'A'} has it"
    newest = [max(side, key=lambda found: found[1].started)[1] for side in (one, other)]
    return _refusal(newest[0], newest[1]) or ""


def _refusal(one: Row, other: Row) -> str | None:
    """Why two rows cannot be compared, or None."""
    studies = one.suite, other.suite
    if studies != (STUDY, STUDY):
        return f"of the studies {studies[0]} and {studies[1]}; only rows of the study {STUDY} are compared"
    for column, what in _ALIKE.items():
        if getattr(one, column) != getattr(other, column):
            return what
    if one.workload_kind == "masked" and one.seed != other.seed:
        return "other tokens were masked, by another seed"
    return None


def _of_model(alike: Sequence[Paired]) -> list[Paired]:
    """The rows to compare of one model, or of the two: each setting of a side is paired with one of the other."""
    by_settings: dict[tuple[Setting, Setting], dict[str, list[Paired]]] = {}
    for two in alike:
        by_settings.setdefault(two.settings, {}).setdefault(two.one[1].workload, []).append(two)

    def order(settings: tuple[Setting, Setting]) -> tuple[bool, bool, int, tuple[str, str]]:
        one, other = settings
        workloads = by_settings[settings]
        newest = max((two.one[1].started, two.other[1].started) for some in workloads.values() for two in some)
        return one == other, one.run == other.run, len(workloads), newest

    chosen: list[tuple[Setting, Setting]] = []
    for one, other in sorted(by_settings, key=order, reverse=True):
        free = all(one != first and other != second for first, second in chosen)
        if not chosen or (free and one.run == other.run):
            chosen.append((one, other))
    return [max(reversed(some), key=_preferred) for settings in chosen for some in by_settings[settings].values()]


def _preferred(two: Paired) -> tuple[bool, str, str]:
    one, other = two.one[1], two.other[1]
    return not (one.limited or other.limited), one.started, other.started


def _further(side: str, found: Iterable[Found], compared: Sequence[Row]) -> list[str]:
    """A line on each kind of rows of a side beside those that are compared, with their workloads.

    Args:
        side: A or B.
        found: its rows of cases of which a row could be compared.
        compared: those that are.
    """
    rows = [row for _, row in found if not any(row is kept for kept in compared)]
    called = names(map(setting_of, (*rows, *compared)))
    told: dict[str, dict[str, None]] = {}
    for row in rows:
        same = [kept for kept in compared if setting_of(kept) == setting_of(row) and kept.workload == row.workload]
        why = "in a setting that is not compared" if not same else LIMITED if row.limited else _beside(row, same[0])
        told.setdefault(f"{side}: {called[setting_of(row)]}, {why}", {})[row.workload] = None
    return [f"{what}: {', '.join(workloads)}" for what, workloads in told.items()]


def _beside(row: Row, kept: Row) -> str:
    return _refusal(row, kept) or "older than the row that is compared"
