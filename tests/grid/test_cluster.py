"""Clusters: one of our own that nobody else can reach, and addresses where there is none."""

import json

import pytest
from interpreters import python_without

from benchmark.errors import InputError
from benchmark.grid.cluster import cluster

_LISTENING = """
import json, os, psutil
from benchmark.grid.cluster import cluster
with cluster(None):
    me = psutil.Process()
    there = [me, *me.children(recursive=True)]
    names = [one.name() for one in there]
    open_to = {c.laddr.ip for one in there for c in one.net_connections("inet") if c.status == "LISTEN"}
    told = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED")}
left = [one.name() for one in there[1:] if one.is_running() and one.status() != "zombie"]
print(json.dumps({"names": names, "open": sorted(open_to), "told": told, "left": left}))
"""


def test_our_own_cluster_listens_on_the_loopback_alone_wants_a_token_and_leaves_nobody(start):
    pytest.importorskip("ray", reason="needs the extra ray: pip install 'exitbench[ray]'")
    output, _ = start("-c", _LISTENING).communicate(timeout=120)
    (line,) = output.splitlines()  # Ray prints nothing
    seen = json.loads(line)
    assert "raylet" in seen["names"]
    assert seen["open"]
    assert {address.removeprefix("::ffff:") for address in seen["open"]} <= {"127.0.0.1", "::1"}
    assert seen["told"]["RAY_AUTH_MODE"] == "token"
    assert len(seen["told"]["RAY_AUTH_TOKEN"]) == 64
    assert seen["told"]["RAY_USAGE_STATS_ENABLED"] == "0"
    assert seen["left"] == []


@pytest.mark.parametrize("address", ["nowhere", "http://127.0.0.1:9", "127.0.0.1:99999", ":6379", "a\x1b[2Jb:c", ""])
def test_what_is_no_address_is_told_in_a_line(address: str):
    pytest.importorskip("ray", reason="needs the extra ray: pip install 'exitbench[ray]'")
    with pytest.raises(InputError, match=r"must be HOST:PORT, such as 10\.0\.0\.1:6379") as raised, cluster(address):
        pass
    assert str(raised.value).isprintable()


def test_an_address_where_nobody_answers_is_told_in_a_line():
    pytest.importorskip("ray", reason="needs the extra ray: pip install 'exitbench[ray]'")
    with (
        pytest.raises(InputError, match=r"^--address 127\.0\.0\.1:9: no cluster answers there \("),
        cluster("127.0.0.1:9"),
    ):
        pass


def test_without_the_extra_a_line_says_what_to_install(start, tmp_path):
    python = python_without(tmp_path / "python", "ray")
    process = start("-c", f"import os; os.execv({str(python)!r}, [{str(python)!r}, '-m', 'benchmark', 'grid'])")
    output, _ = process.communicate(timeout=120)
    assert output == "exitbench: Ray is not installed; pip install 'exitbench[ray]'\n"
    assert process.returncode == 1
