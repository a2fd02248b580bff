"""Which model goes to which node, and with how much of it: pure arithmetic on what machines say."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.grid.work import Host, Outlook

USUAL_CPUS = 4
"""Of a model on a machine without GPUs, where there are as many: a second model gains more from a core than a fifth
thread does."""


@dataclass(frozen=True)
class Share:
    """A part of a node, as Ray counts: its own CPUs, GPUs and bytes of memory."""

    cpus: float
    gpus: float
    memory: float

    def holds(self, part: "Share") -> bool:
        """Return whether another share is a part of this one."""
        return part.cpus <= self.cpus and part.gpus <= self.gpus and part.memory <= self.memory

    def without(self, part: "Share") -> "Share":
        """Return what is left when a part is taken."""
        return Share(self.cpus - part.cpus, self.gpus - part.gpus, self.memory - part.memory)


@dataclass(frozen=True)
class Node:
    """A node of the cluster."""

    id: str
    name: str
    """What a person reads of it."""
    whole: Share
    host: Host
    sees_results: bool = True
    """Whether it reads and writes the results folder of the driver."""


@dataclass(frozen=True)
class Placed:
    """A model that goes to a node."""

    model: str
    node: Node
    share: Share


def share_of(model: str, node: Node, cpus: int | None = None) -> Share | str:
    """Return what a model takes of a node, or why the node cannot hold it.

    A model has a GPU for itself, so that its seconds and its memory are its own; several, where its entry spreads it.

    Args:
        model: its name.
        node: an idle one.
        cpus: that a model gets; None for its part of those of the node.
    """
    outlook, host = node.host.outlooks[model], node.host
    on_gpus = host.device != "cpu" and host.gpu_memory is not None and node.whole.gpus >= 1
    memory = outlook.memory
    # The machine looked at one of its GPUs; a model that spreads may take them all.
    if outlook.missing and not (on_gpus and outlook.spreads and memory is not None):
        return outlook.missing
    if not on_gpus:
        threads = min(cpus or USUAL_CPUS, int(node.whole.cpus))
        # A model of unknown size has the memory to itself.
        share = Share(max(threads, 1), 0, node.whole.memory if memory is None else memory)
        enough = node.whole.memory
    else:
        assert host.gpu_memory is not None
        gpus = 1 if memory is None else math.ceil(memory / host.gpu_memory)
        most = int(node.whole.gpus) if outlook.spreads else 1
        threads = cpus or int(node.whole.cpus / node.whole.gpus) * min(gpus, most)
        share = Share(min(max(threads, 1), node.whole.cpus), gpus, 0)
        enough = host.gpu_memory * most
        if gpus > most:
            return _too_large(memory or 0, enough, "a larger GPU" if outlook.spreads else "'device_map' in the entry")
    if share.cpus > node.whole.cpus:
        return "the node lends no CPU; start it with --num-cpus"
    return share if node.whole.holds(share) else _too_large(share.memory, enough, "a larger node, or a smaller dtype")


def place(
    waiting: Sequence[str], nodes: Sequence[Node], free: Mapping[str, Share], cpus: int | None = None
) -> list[Placed]:
    """Return which waiting models start now, and where.

    Each goes to the node that has most of its CPUs free among those that can hold it now; one that must wait lets those
    behind it pass.

    Args:
        waiting: names of models, in the order in which they are to start.
        nodes: that can be used.
        free: of each node, by its id.
        cpus: that a model gets; None for its part of a node's.
    """
    left = dict(free)
    placed = []
    for model in waiting:
        fits = []
        for node in nodes:
            share = share_of(model, node, cpus)
            if isinstance(share, Share) and left[node.id].holds(share):
                fits.append((node, share))
        if fits:
            node, share = max(fits, key=lambda fit: left[fit[0].id].cpus / fit[0].whole.cpus)
            left[node.id] = left[node.id].without(share)
            placed.append(Placed(model, node, share))
    return placed


def order(models: Sequence[str], nodes: Sequence[Node]) -> list[str]:
    """Return the models with the largest first, so that a long one does not begin when all others have ended."""
    return sorted(models, key=lambda model: -(_known(model, nodes).memory or math.inf))


def refusal(model: str, nodes: Sequence[Node], cpus: int | None = None) -> str | None:
    """Return why no node can hold a model, as the largest node says it; None if one can."""
    shares = [share_of(model, node, cpus) for node in nodes]
    if any(isinstance(share, Share) for share in shares):
        return None
    largest = max(range(len(nodes)), key=lambda number: nodes[number].whole.memory)
    return str(shares[largest])


def _known(model: str, nodes: Sequence[Node]) -> Outlook:
    """What is said of a model by the machine that knows its size, if one does."""
    outlooks = [node.host.outlooks[model] for node in nodes]
    return next((outlook for outlook in outlooks if outlook.memory is not None), outlooks[0])


def _too_large(needed: float, there: float, remedy: str) -> str:
    return f"needs about {needed / 1e9:.3g} GB of memory, and no node has more than {there / 1e9:.3g} GB; use {remedy}"
