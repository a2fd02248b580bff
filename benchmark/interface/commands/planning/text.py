"""A plan as text, for a person at a terminal, and as data, for programs."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants

from benchmark.cases.planning.plan import ModelPlan
from benchmark.errors import CannotRun, option
from benchmark.models import hardware

_WIDTH = 120


def as_text(plans: Sequence[ModelPlan], device: torch.device) -> Iterator[str]:
    """Models that can run now, those that wait for `--download`, and the others, line by line."""
    memory, disk = _size(hardware.free_memory(device)), _size(_free_disk())
    yield f"on {device.type}: {hardware.accelerator(device)}; free: memory {memory}, disk {disk}"
    ready = [planned for planned in plans if planned.missing is None]
    fetch = [planned for planned in plans if planned.waits_for_download]
    rest = [planned for planned in plans if planned.missing is not None and not planned.waits_for_download]
    yield f"models that can run here: {len(ready)} of {len(plans)}"
    for planned in ready:
        yield from _ready(planned)
    if fetch:
        yield f"models that can run with --download: {len(fetch)}"
        width = max(len(planned.name) for planned in fetch)
        for planned in fetch:
            yield f"  {planned.name:<{width}}  memory {_size(planned.memory):>8}  disk {_size(planned.disk):>8}"
    if rest:
        yield f"models that cannot run here: {len(rest)}"
    reasons: dict[str, list[str]] = {}
    for planned in rest:
        why, remedy = str(planned.missing), ""
        if isinstance(planned.missing, CannotRun):
            why, remedy = planned.missing.reason, _remedy(planned.missing)
        reasons.setdefault(remedy, []).append(f"{planned.name}: {why}")
    for remedy, lines in reasons.items():
        yield f"  {remedy or 'correct the model file'}:"
        yield from (f"    {line}" for line in lines)


def as_data(plans: Sequence[ModelPlan], device: torch.device) -> dict[str, Any]:
    """Return plans as JSON has them: sizes in bytes, times in seconds, null what is not known."""
    return {
        "device": device.type,
        "accelerator": hardware.accelerator(device),
        "free_memory": hardware.free_memory(device),
        "free_disk": _free_disk(),
        "models": [_data(planned) for planned in plans],
    }


def _data(planned: ModelPlan) -> dict[str, Any]:
    refused = "waits for download" if planned.waits_for_download else "cannot run"
    remedy = _remedy(planned.missing) if isinstance(planned.missing, CannotRun) else None
    return {
        "name": planned.name,
        "status": "can run" if planned.missing is None else refused,
        "memory": planned.memory,
        "disk": planned.disk,
        "seconds": planned.seconds,
        "rows": planned.rows,
        "done": planned.done,
        "failed": planned.failed,
        "to_do": planned.to_do,
        "lacking": {name: f"{error.reason}; {_remedy(error)}" for name, error in planned.lacking.items()},
        "reason": None if planned.missing is None else getattr(planned.missing, "reason", str(planned.missing)),
        "remedy": remedy,
    }


def _free_disk() -> int:
    """Where models are downloaded to."""
    folder = Path(constants.HF_HUB_CACHE)
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _ready(planned: ModelPlan) -> Iterator[str]:
    disk = f", disk {_size(planned.disk)} to convert it once" if planned.disk else ""
    time = ""
    if planned.seconds is not None:
        time = f", about {_duration(planned.seconds)} going by rows measured on this machine: {planned.rows}"
    yield f"  {planned.name}: memory {_size(planned.memory)}{disk}{time}"
    yield from _list("done", planned.done)
    yield from _list("failed before", planned.failed)
    yield from _list("to do", planned.to_do)
    reasons: dict[str, list[str]] = {}
    for name, error in planned.lacking.items():
        reasons.setdefault(f"{error.reason}; {_remedy(error)}", []).append(name)
    for reason, names in reasons.items():
        yield from _list(f"data {reason}", names)


def _remedy(error: CannotRun) -> str:
    return f"{error.remedy} ({option(error.setting)})" if error.setting else error.remedy


def _list(title: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield from textwrap.wrap(
            f"{title}: {', '.join(names)}", _WIDTH, initial_indent="    ", subsequent_indent="      "
        )


def _size(number: float | None) -> str:
    return "unknown" if number is None else f"{_digits(number / 1e9, 3)} GB"


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{_digits(seconds / size, 2)} {unit}"
    return f"{max(seconds, 1):.0f} s"


def _digits(number: float, digits: int) -> str:
    """As many significant digits, but a large number in full."""
    return f"{number:,.0f}" if number >= 10**digits - 0.5 else f"{number:.{digits}g}"
