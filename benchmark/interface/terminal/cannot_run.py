"""What cannot run here: in one line, or each by name."""

from collections import Counter
from collections.abc import Collection, Mapping

from benchmark.errors import CannotRun, option
from benchmark.interface.terminal.letters import folded


def cannot_run_line(models: Collection[str], workloads: Collection[str], errors: Mapping[str, CannotRun]) -> str:
    """Return how many models, workloads and cases of both cannot run here, and why, in one line.

    Args:
        models: names of models.
        workloads: names of workloads; names that are neither are of cases.
        errors: why each cannot run.
    """
    kinds = Counter(
        "model" if name in models else "workload" if name in workloads else "case" for name in sorted(errors)
    )
    counts = [f"{kinds[kind]} {kind}{'s' * (kinds[kind] > 1)}" for kind in ("model", "workload", "case") if kinds[kind]]
    reasons = Counter(error.reason for error in errors.values())
    why = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    return f"{' and '.join(filter(None, (', '.join(counts[:-1]), counts[-1])))} cannot run here: {why}; -rs lists them"


def cannot_run_lines(errors: Mapping[str, CannotRun], columns: int) -> list[str]:
    """Return every name with its reason, those of the same reason and remedy together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, error in errors.items():
        remedy = f"{error.remedy} ({option(error.setting)})" if error.setting else error.remedy
        groups.setdefault((error.reason, remedy), []).append(f"{name} ({error.detail})" if error.detail else name)
    lines = []
    for (reason, remedy), names in groups.items():
        lines += [*folded(f"{reason}; {remedy}:", columns), *folded(", ".join(names), columns, "  ")]
    return lines
