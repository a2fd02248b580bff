"""The nodes of a cluster: what is installed there, what each can hold, and whether it sees the results folder."""

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from benchmark.atomic_files import lock_of, locked
from benchmark.errors import InputError
from benchmark.grid.placement import USUAL_CPUS, Node, Share
from benchmark.grid.work import GridSettings, Host
from benchmark.grid.worker import describe, harness, looker
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.workload_entry import Cell
from benchmark.messages import printable
from benchmark.results.store import writing

_PATIENCE = 300
"""Seconds in which a node must answer; importing torch from a shared disk takes minutes at worst."""
_A_LITTLE = 0.01
"""Share of a GPU that a node takes to look at one; without any, Ray hides them all."""


def nodes_there(
    entries: Sequence[ModelEntry],
    cells: Sequence[Cell],
    asked: GridSettings,
    cpus: int | None,
    tell: Callable[[str], None],
) -> list[Node]:
    """Return the nodes of the cluster that have CPUs, each with what it says of itself and of the models.

    Machines are asked once, also where they have several nodes.

    Args:
        entries: of the models.
        cells: of each model.
        asked: what is asked of all; the results folder is there.
        cpus: that a model gets; None for its part of a node's.
        tell: told of a node that is left out because it does not answer, as one that has just died.

    Raises:
        InputError: a node has another harness than the driver, or none, or cannot run tasks; or none answers.
    """
    found = [node for node in alive() if node["Resources"].get("CPU", 0) >= 1]
    if not found:
        raise InputError("the cluster has no node with a CPU to lend; add one with: ray start --address HOST:PORT")
    names = _names(found)
    sees = dict(zip(names, _look(found, names, asked), strict=True))
    there = {name: node for name, node in zip(names, found, strict=True) if sees[name] is not None}
    hosts = _describe(list(there.values()), list(there), entries, cells, asked, cpus)
    nodes = []
    for name, node in zip(names, found, strict=True):
        seen, host = sees[name], hosts.get(node["NodeManagerHostname"])
        if seen is None or host is None:
            tell(f"node {name} does not answer, and is left out")
        else:
            nodes.append(Node(node["NodeID"], name, _share(node), host, seen))
    if not nodes:
        raise InputError("no node of the cluster answers; look at them with: ray status")
    return nodes


def _names(found: Sequence[dict[str, Any]]) -> list[str]:
    """What a person reads of nodes: the name of the machine, and where it has several, the beginning of their ids."""
    hosts = [printable(node["NodeManagerHostname"]) for node in found]
    several = {host for host, count in Counter(hosts).items() if count > 1}
    return [
        f"{host}/{node['NodeID'][:6]}" if host in several else host for host, node in zip(hosts, found, strict=True)
    ]


def alive() -> list[dict[str, Any]]:
    """Return what Ray says of the nodes that are alive."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def on(node_id: str) -> Any:
    """Return what lets a task run on that node and on no other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node_id, soft=False)


def _look(found: Sequence[dict[str, Any]], names: Sequence[str], asked: GridSettings) -> list[bool | None]:
    """Return whether each node sees the results folder, None where it does not answer; refuses another harness."""
    import ray

    look = ray.remote(looker())
    # Nobody else has a file of this name, so whoever sees it sees this folder.
    mark = asked.results / f"grid-{secrets.token_hex(8)}"
    with writing(mark), locked(mark):
        refs = [
            look.options(num_cpus=0, scheduling_strategy=on(node["NodeID"])).remote(lock_of(mark)) for node in found
        ]
        answers = [_answer(ref, name) for ref, name in zip(refs, names, strict=True)]
    ours = harness()
    for answer, name in zip(answers, names, strict=True):
        if answer is None:
            continue
        theirs = answer[0]
        if theirs is None:
            raise InputError(f"node {name}: exitbench is not installed there; install {ours} on every node")
        if theirs != ours:
            raise InputError(
                f"node {name}: has exitbench {printable(theirs)}, here is {ours}; install the same on both"
            )
    return [None if answer is None else answer[1] for answer in answers]


def _describe(
    found: Sequence[dict[str, Any]],
    names: Sequence[str],
    entries: Sequence[ModelEntry],
    cells: Sequence[Cell],
    asked: GridSettings,
    cpus: int | None,
) -> dict[str, Host | None]:
    """Return what each machine says of itself, by its host name; None where it does not answer."""
    import ray

    asking = {}
    for node, name in zip(found, names, strict=True):
        if (host := node["NodeManagerHostname"]) not in asking:
            gpus = _A_LITTLE if node["Resources"].get("GPU", 0) else 0
            task = ray.remote(describe).options(num_cpus=0, num_gpus=gpus, scheduling_strategy=on(node["NodeID"]))
            threads = min(cpus or USUAL_CPUS, int(node["Resources"]["CPU"]))
            asking[host] = name, task.remote(list(entries), list(cells), asked, threads)
    return {host: _answer(ref, name) for host, (name, ref) in asking.items()}


def _answer(ref: Any, name: str) -> Any:
    """What a node has answered; None if it does not, because it has died."""
    import ray

    try:
        return ray.get(ref, timeout=_PATIENCE)
    except ray.exceptions.RayTaskError as error:
        reason = printable(" ".join(f"{type(error.cause).__name__}: {error.cause}".split()))[:300]
        raise InputError(f"node {name}: cannot run tasks: {reason}") from None
    except ray.exceptions.RayError:
        return None


def _share(node: dict[str, Any]) -> Share:
    resources = node["Resources"]
    return Share(resources.get("CPU", 0), resources.get("GPU", 0), resources.get("memory", 0))
