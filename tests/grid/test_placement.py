"""Which model goes where: arithmetic on what machines say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.grid.placement import Node, Share, order, place, refusal, share_of
from benchmark.grid.work import Host, Outlook

GB = 1e9


def node(name: str = "one", cpus: float = 8, gpus: float = 0, memory: float = 64 * GB, **outlooks: Outlook) -> Node:
    """A node; with GPUs, of 80 GB each."""
    host = Host("cuda" if gpus else "cpu", 80 * GB if gpus else None, outlooks)
    return Node(name, name, Share(cpus, gpus, memory), host)


def outlook(gigabytes: float | None, **more: object) -> Outlook:
    return Outlook(None if gigabytes is None else gigabytes * GB, **more)


@pytest.mark.parametrize(
    ("there", "cpus", "share"),
    [
        (node(m=outlook(10)), None, Share(4, 0, 10 * GB)),
        (node(m=outlook(10)), 6, Share(6, 0, 10 * GB)),
        (node(cpus=2, m=outlook(10)), None, Share(2, 0, 10 * GB)),
        (node(m=outlook(None)), None, Share(4, 0, 64 * GB)),
        (node(cpus=32, gpus=8, m=outlook(10)), None, Share(4, 1, 0)),
        (node(cpus=32, gpus=8, m=outlook(None)), None, Share(4, 1, 0)),
        (node(cpus=32, gpus=8, m=outlook(200, spreads=True)), None, Share(12, 3, 0)),
        (node(cpus=4, gpus=8, m=outlook(10)), None, Share(1, 1, 0)),
        # One GPU is not enough, and the machine has looked at one.
        (node(cpus=32, gpus=8, m=outlook(200, spreads=True, missing="needs more")), None, Share(12, 3, 0)),
    ],
)
def test_what_a_model_takes(there: Node, cpus: int | None, share: Share):
    assert share_of("m", there, cpus) == share


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (node(m=outlook(10, missing="not on this machine")), "not on this machine"),
        (node(m=outlook(65)), "needs about 65 GB of memory, and no node has more than 64 GB; use a larger node"),
        (node(cpus=8, gpus=8, m=outlook(81)), "needs about 81 GB of memory, and no node has more than 80 GB; use 'dev"),
        (node(cpus=8, gpus=2, m=outlook(200, spreads=True)), "no node has more than 160 GB; use a larger GPU"),
    ],
)
def test_why_a_node_cannot_hold_one(there: Node, why: str):
    assert why in str(share_of("m", there))


def test_a_model_is_refused_only_where_no_node_can_hold_it_and_the_largest_tells_why():
    small, large = node("small", memory=8 * GB, m=outlook(10)), node("large", m=outlook(10))
    assert refusal("m", [small, large]) is None
    assert "no node has more than 9 GB" in str(refusal("m", [small, node(memory=9 * GB, m=outlook(10))]))


def test_each_goes_where_most_is_free_and_one_that_must_wait_lets_others_pass():
    outlooks = {"large": outlook(60), "larger": outlook(61), "small": outlook(1)}
    nodes = [node("one", **outlooks), node("two", cpus=4, **outlooks)]
    free = {each.id: each.whole for each in nodes}
    placed = place(["larger", "large", "small"], nodes, free)
    assert [(each.model, each.node.id) for each in placed] == [("larger", "one"), ("large", "two"), ("small", "one")]
    taken = {"one": Share(1, 0, 60 * GB), "two": Share(4, 0, 2 * GB)}
    assert [each.model for each in place(["large", "small"], nodes, taken)] == ["small"]


def test_the_largest_begin_and_those_of_unknown_size_before_them():
    there = node(a=outlook(1), b=outlook(None), c=outlook(7))
    assert order(["a", "b", "c"], [there]) == ["b", "c", "a"]


@given(
    st.lists(st.floats(0.1, 100), max_size=12),
    st.lists(st.tuples(st.integers(1, 16), st.floats(1, 128)), min_size=1, max_size=4),
)
def test_no_node_is_given_more_than_it_has(sizes: list[float], nodes: list[tuple[int, float]]):
    outlooks = {f"m{number}": outlook(size) for number, size in enumerate(sizes)}
    there = [node(str(i), cpus=cpus, memory=memory * GB, **outlooks) for i, (cpus, memory) in enumerate(nodes)]
    placed = place(list(outlooks), there, {each.id: each.whole for each in there})
    assert len({each.model for each in placed}) == len(placed)
    for each in there:
        shares = [one.share for one in placed if one.node is each]
        assert sum(share.cpus for share in shares) <= each.whole.cpus
        assert sum(share.memory for share in shares) <= each.whole.memory * (1 + 1e-9)
    # What waits finds no room in what is left.
    left = {each.id: each.whole for each in there}
    for one in placed:
        left[one.node.id] = left[one.node.id].without(one.share)
    assert place([name for name in outlooks if name not in {one.model for one in placed}], there, left) == []
