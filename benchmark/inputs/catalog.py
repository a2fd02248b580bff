"""The workloads that ship with the project."""

from pathlib import Path

from benchmark.inputs.workload_entry import WorkloadEntry, load_workload

WORKLOAD_FOLDER = Path(__file__).parents[1] / "workloads"


def load_workloads(folder: Path = WORKLOAD_FOLDER) -> list[WorkloadEntry]:
    """Every workload that ships with the project: built-in ones first, then those from the hub, by name."""
    specs = [load_workload(path) for path in sorted(folder.glob("*.yaml"))]
    return sorted(specs, key=lambda spec: (spec.source.id is not None, spec.name))
