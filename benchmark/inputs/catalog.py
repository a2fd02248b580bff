"""The workloads there are: those that ship with the project, and files of somebody's own."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import InputError
from benchmark.inputs.selection import select
from benchmark.inputs.workload_entry import WorkloadEntry, load_workload
from benchmark.messages import printable

WORKLOAD_FOLDER = Path(__file__).parents[1] / "workloads"


def load_workloads(files: Sequence[Path] = ()) -> list[WorkloadEntry]:
    """Return every workload: built-in ones first, then those from the hub, by name, then those in files of one's own.

    Raises:
        InputError: a file cannot be read, or its name is taken.
    """
    shipped = [load_workload(path) for path in sorted(WORKLOAD_FOLDER.glob("*.yaml"))]
    workloads = sorted(shipped, key=lambda workload: (workload.source.id is not None, workload.name))
    place = dict.fromkeys((workload.name for workload in workloads), "ships with ExitBench")
    for file in files:
        workload = load_workload(file)
        if workload.name in place:
            taken = f"'{workload.name}' {place[workload.name]}"
            raise InputError(f"{printable(file)}: field 'name': {taken}; give the workload and its file another name")
        place[workload.name] = f"is in {printable(file)}"
        workloads.append(workload)
    return workloads


def asked_workloads(files: Sequence[Path], names: Sequence[str]) -> list[WorkloadEntry]:
    """Return the workloads that a person asks for: those that are named, else those in files of one's own, else all.

    Raises:
        InputError: a file cannot be read, its name is taken, or a name matches nothing.
    """
    workloads = load_workloads(files)
    if files and not names:
        return workloads[-len(files) :]
    return select(workloads, names, "--workload", "the workloads")
