"""The findings as a person reads them, and as a program does."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from benchmark.messages import printable
from benchmark.report.findings.claims import Finding, Findings, Reference
from benchmark.report.findings.estimates import Estimate

_WIDTH = 110
_EFFECT = ("effect", "95 % interval", "models")


def as_data(found: Findings) -> dict[str, Any]:
    """Everything in plain types, for JSON; a number that is not known is null."""
    data = asdict(found)
    del data["compared"]
    for entry, finding in zip(data["findings"], found.findings, strict=True):
        entry |= entry.pop("estimate") | {"verdict": finding.verdict, "reason": finding.reason}
    return data


def as_text(found: Findings) -> str:
    """What was compared, the claims, the numbers behind them, the published values."""
    return "\n\n".join("\n".join(map(printable, block)) for block in _blocks(found))


def _blocks(found: Findings) -> Iterator[list[str]]:
    dtypes = ", ".join(f"{count} in {dtype or 'an unknown dtype'}" for dtype, count in found.dtypes.items())
    yield [
        f"{found.folder}: rows {found.rows}, workloads {found.workloads}, models {found.models} ({dtypes})",
        *(f"left out: {count} {reason}" for reason, count in found.left_out.items()),
        *(line for note in found.notes for line in textwrap.wrap(note, _WIDTH, subsequent_indent="  ")),
    ]
    yield _claims(found.findings)
    for heading, estimates in found.estimates.items():
        if estimates:
            yield _table(
                (heading, *_EFFECT, "unit"),
                [
                    (each.name, *_cells(each), each.unit + f"; {each.missing}" * bool(each.missing))
                    for each in estimates
                ],
            )
    yield _published(found.references)


def _claims(claims: Sequence[Finding]) -> list[str]:
    """A line for each claim, and below it what its number is."""
    heading, *lines = _table(
        ("claim", *_EFFECT, "verdict"),
        [(finding.claim, *_cells(finding.estimate), finding.verdict) for finding in claims],
    )
    for finding, line in zip(claims, lines, strict=True):
        heading += f"\n{line}\n  {finding.estimate.unit}: {finding.estimate.name} ({finding.source})"
        heading += f"; {finding.reason}" if finding.reason else ""
    return heading.splitlines()


def _published(references: Sequence[Reference]) -> list[str]:
    here = [reference for reference in references if reference.here is not None]
    cells = [
        (reference.what, f"{reference.published:g}", f"{reference.here:.2f}", reference.source) for reference in here
    ]
    others = ", ".join(
        f"{reference.what} {reference.published:g}" for reference in references if reference.here is None
    )
    lines = _table(("published", "there", "here", "source"), cells) if here else []
    return lines + textwrap.wrap(f"published, not measured here: {others}", _WIDTH, subsequent_indent="  ") * bool(
        others
    )


def _cells(estimate: Estimate) -> tuple[str, str, str]:
    interval = "" if estimate.low is None else f"[{estimate.low:+.3f}, {estimate.high:+.3f}]"
    return ("" if estimate.value is None else f"{estimate.value:+.3f}"), interval, str(estimate.models)


def _table(heading: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as what is in them, words at either end to the left and numbers between them to the right."""
    lines = [list(heading), *map(list, cells)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    last = len(heading) - 1
    return [
        "  ".join(
            f"{cell:<{width}}" if column in (0, last) else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
