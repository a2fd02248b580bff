"""Hub datasets by name, as the library `datasets` reads them from a server on this machine, and then from its cache."""

import io
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import COMMIT, HubServer, Repo
from pydantic import ValidationError

from benchmark.inputs.workload_entry import WorkloadSource

_READ = """
import json, sys
from pathlib import Path
from benchmark.errors import ExitBenchError
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.workload_entry import load_workload
from benchmark.models.hub import Hub
path, *asked = sys.argv[1:]
told = []
for download in asked:
    try:
        told.append([prompt.text for prompt in read_prompts(load_workload(Path(path)), 2, Hub(download == "yes"))])
    except ExitBenchError as error:
        told.append(f"{type(error).__name__}: {error}")
print(json.dumps(told))
"""


def parquet(*texts: str) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"question": list(texts)}), sink)
    return sink.getvalue()


@pytest.fixture
def server() -> Iterator[HubServer]:
    """A hub with one dataset of two configurations."""
    card = (
        "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: test\n    path: main/test.parquet\n"
        "- config_name: other\n  data_files:\n  - split: test\n    path: other/test.parquet\n---\n"
    )
    files = {"README.md": card.encode(), "main/test.parquet": parquet("One?", "Two?", "Three?")}
    files |= {"other/test.parquet": parquet("Eins?"), "evil.py": b"raise SystemExit('code of a repository ran')"}
    with HubServer() as hub:
        hub.repos["datasets", "org/texts"] = Repo(files)
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        yield hub
        hub.shutdown()


@pytest.fixture
def read(
    server: HubServer, tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> Callable[..., list[list[str] | str]]:
    """Read a workload on a source, with or without permission to download, in a process of its own."""

    def run(source: str, *download: str, **environment: str) -> list[list[str] | str]:
        (tmp_path / "named.yaml").write_text(
            f"name: named\ndescription: d\nsource: {source}\nfield: question\nkind: completion\n"
            "prompts: 2\nmax_new_tokens: 4\nlicence: CC0-1.0\n"
        )
        settings = {"HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1"} | environment
        process = start("-c", _READ, tmp_path / "named.yaml", *download, hf_home=tmp_path / "hf", **settings)
        output, _ = process.communicate(timeout=120)
        told: Any = json.loads(output.splitlines()[-1])
        return told

    return run


def test_it_is_fetched_only_when_asked_and_read_from_the_cache_afterwards(read, server):
    source = "{id: org/texts, config: main, split: test}"
    (refused,) = read(source, "no")
    assert refused == "NotFetched: not on this machine (dataset org/texts, main); allow the download to fetch it"
    assert server.log == []
    assert read(source, "yes") == [["One?", "Two?"]]
    server.log.clear()
    assert read(source, "no") == [["One?", "Two?"]]
    assert server.log == []


def test_another_commit_on_this_machine_is_not_read_instead(read):
    """Without the network the library takes the latest that it has, whatever it is asked for."""
    here, newer = (f"{{id: org/texts, config: main, split: test, revision: {c}}}" for c in (COMMIT, "beef" + "0" * 36))
    assert read(here, "yes", "no") == [["One?", "Two?"], ["One?", "Two?"]]
    assert read(newer, "no") == [
        "NotFetched: not on this machine (dataset org/texts, main at beef00000000); allow the download to fetch it"
    ]


def test_another_configuration_has_other_records(read):
    assert read("{id: org/texts, config: other, split: test}", "yes") == [["Eins?"]]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{id: org/texts, config: nope, split: test}", "source: org/texts, nope cannot be read: "),
        ("{id: org/texts, config: main, split: nope}", "source: org/texts, main cannot be read: "),
        ("{id: org/nothing, split: test}", "source.id: no dataset 'org/nothing' on the hub"),
    ],
    ids=["config", "split", "id"],
)
def test_what_is_not_there_is_one_line_that_names_the_field(read, tmp_path, source, told):
    (message,) = read(source, "yes")
    assert message.startswith(f"InputError: {tmp_path / 'named.yaml'}: {told}")
    assert "\n" not in message


@pytest.mark.parametrize(
    "source",
    [
        {"id": "org/texts"},
        {"split": "test"},
        {"id": "org/texts", "config": "main"},
        {"id": "org/texts", "file": "a.jsonl", "split": "test"},
        {"file": "a.jsonl", "config": "main"},
    ],
    ids=str,
)
def test_a_source_is_a_file_or_a_split_of_a_dataset(source):
    with pytest.raises(ValidationError, match=r"give a 'file'|are for a hub dataset"):
        WorkloadSource(**source)


@pytest.mark.parametrize(
    ("name", "told"), [("json", "is a file format to the library"), ("suites", "has a 'suites', ")]
)
def test_an_id_that_would_be_read_from_this_machine_is_refused(read, name, told):
    (problem,) = read(f"{{id: {name}, split: train}}", "no")
    assert problem.startswith("InputError: ")
    assert "source.id: " in problem
    assert told in problem
