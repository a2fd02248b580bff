"""What cannot run here: in one line, or each by name."""

from collections import Counter
from collections.abc import Collection, Mapping

from benchmark.errors import CannotRun, option
from benchmark.interface.terminal.letters import folded


def cannot_run_line(models: Collection[str], errors: Mapping[str, CannotRun]) -> str:
    """Return how many models and workloads cannot run here, and why, in one line.

    Args:
        models: names of models; other names are of workloads.
        errors: why each cannot run.
    """
    of_models = sum(name in models for name in errors)
    of_workloads = len(errors) - of_models
    parts = [
        f"{count} {word}{'s' * (count != 1)}"
        for count, word in ((of_models, "model"), (of_workloads, "workload"))
        if count
    ]
    reasons = Counter(error.reason for error in errors.values())
    why = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    return f"{' and '.join(parts)} cannot run here: {why}; -rs lists them"


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
