"""Hub datasets by name, as the library `datasets` reads them from a server on this machine, and then from its cache."""

import io
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import COMMIT, GONE, HubServer, Repo
from pydantic import ValidationError

from benchmark.errors import InputError
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.workload_entry import WorkloadSource, load_workload
from benchmark.models.hub import Hub

NEWER = "beef" + "0" * 36
CARD = """---
configs:
- config_name: main
  default: true
  data_files: [{split: test, path: main/test.parquet}]
- config_name: other
  data_files: [{split: test, path: other/test.parquet}]
---
"""
MAIN = "{id: org/texts, config: main, split: test}"
OTHER = "{id: org/texts, config: other, split: test}"
UNNAMED = "{id: org/texts, split: test}"
NOT_HERE = "NotFetched: not on this machine (dataset org/texts, main); allow the download to fetch it"
_READ = """
import json, sys
from pathlib import Path
from benchmark.errors import ExitBenchError
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.workload_entry import load_workload
from benchmark.models.hub import Hub
told = []
for path, download in json.loads(sys.argv[1]):
    try:
        told.append([prompt.text for prompt in read_prompts(load_workload(Path(path)), 2, Hub(download))])
    except ExitBenchError as error:
        told.append(f"{type(error).__name__}: {error}")
print(json.dumps(told))
"""

Read = Callable[..., list[list[str] | str]]
"""Takes pairs of a source and whether it may be downloaded; returns the prompts of each, or what is told instead."""


def at(revision: str) -> str:
    return f"{{id: org/texts, config: main, split: test, revision: {revision}}}"


def parquet(*texts: str) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"question": list(texts)}), sink)
    return sink.getvalue()


def dataset(*of_main: str, commit: str = COMMIT) -> Repo:
    """A dataset of two configurations."""
    files = {"main/test.parquet": parquet(*of_main), "other/test.parquet": parquet("Eins?")}
    return Repo({"README.md": CARD.encode(), **files}, commit=commit)


@contextmanager
def hub_of_one_dataset() -> Iterator[HubServer]:
    with HubServer() as hub:
        hub.repos["datasets", "org/texts"] = dataset("One?", "Two?", "Three?")
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        yield hub
        hub.shutdown()


def write_workload(folder: Path, source: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "named.yaml"
    path.write_text(
        f"name: named\ndescription: d\nsource: {source}\nfield: question\nkind: completion\n"
        "prompts: 2\nmax_new_tokens: 4\nlicence: CC0-1.0\n"
    )
    return path


def reader(server: HubServer, folder: Path, start: Callable[..., subprocess.Popen[str]]) -> Read:
    """Read workloads one after the other in a process of their own; they share a cache in the folder."""

    def read(*asked: tuple[str, bool], **environment: str) -> list[list[str] | str]:
        files = [(str(write_workload(folder / str(n), source)), may) for n, (source, may) in enumerate(asked)]
        settings = {"HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1"} | environment
        process = start("-c", _READ, json.dumps(files), hf_home=folder / "hf", **settings)
        output, _ = process.communicate(timeout=120)
        told: Any = json.loads(output.splitlines()[-1])
        return told

    return read


@pytest.fixture
def server() -> Iterator[HubServer]:
    with hub_of_one_dataset() as hub:
        yield hub


@pytest.fixture
def read(server: HubServer, tmp_path: Path, start: Callable[..., subprocess.Popen[str]]) -> Read:
    return reader(server, tmp_path, start)


def test_it_is_fetched_only_when_asked_and_read_from_the_cache_afterwards(read: Read, server: HubServer):
    assert read((MAIN, False)) == [NOT_HERE]
    assert server.log == []
    assert read((MAIN, True)) == [["One?", "Two?"]]
    server.log.clear()
    assert read((MAIN, False)) == [["One?", "Two?"]]
    assert server.log == []


def test_each_configuration_is_fetched_by_itself(read: Read):
    texts = ["One?", "Two?"]
    assert read((OTHER, True), (MAIN, False), (MAIN, True), (MAIN, False)) == [["Eins?"], NOT_HERE, texts, texts]


def test_the_only_configuration_on_this_machine_is_not_taken_for_the_default_one(read: Read):
    not_here = NOT_HERE.replace(", main", "")
    assert read((OTHER, True), (UNNAMED, False), (UNNAMED, True)) == [["Eins?"], not_here, ["One?", "Two?"]]


class TestCommits:
    """The library takes the latest that is in its cache, whatever revision it is asked for."""

    def test_another_one_in_the_cache_is_not_read_instead(self, read: Read):
        assert read((at(COMMIT), True), (at(NEWER), False)) == [["One?", "Two?"], NOT_HERE]

    def test_nor_when_the_hub_is_out_of_reach(self, read: Read):
        assert read((at(COMMIT), True)) == [["One?", "Two?"]]
        (told,) = read((at(NEWER), True), HF_ENDPOINT="http://127.0.0.1:9")
        assert told.startswith("CannotRun: the hub cannot be reached (")

    def test_nor_when_the_hub_breaks_off(self, read: Read, server: HubServer):
        assert read((at(COMMIT), True)) == [["One?", "Two?"]]
        server.repos["datasets", "org/texts"] = dataset("New?", commit=NEWER)
        server.broken[f"/resolve/{NEWER}/"] = GONE
        (told,) = read((at(NEWER), True))
        assert told == "CannotRun: the download of dataset org/texts, main broke off; run the same command again"

    def test_the_older_of_two_is_not_mixed_up_with_the_newer(self, read: Read, server: HubServer):
        assert read((at(COMMIT), True)) == [["One?", "Two?"]]
        server.repos["datasets", "org/texts"] = dataset("New?", commit=NEWER)
        assert read((at("main"), True), (at("main"), False), (at(COMMIT), False)) == [["New?"], ["New?"], NOT_HERE]


REFUSED = {
    "configuration": ("{id: org/texts, config: nope, split: test}", "source: org/texts, nope cannot be read: "),
    "split": ("{id: org/texts, config: main, split: nope}", "source: org/texts, main cannot be read: "),
    "id": ("{id: org/nothing, split: test}", "source.id: no dataset 'org/nothing' on the hub"),
    "revision": (at("v9"), "source.revision: org/texts has no revision 'v9'"),
    "script": ("{id: org/scripted, split: test}", "source: org/scripted cannot be read: Dataset scripts are no longer"),
}
GATED = "{id: org/gated, config: main, split: test}"


@pytest.fixture(scope="module")
def refusals(
    tmp_path_factory: pytest.TempPathFactory, start: Callable[..., subprocess.Popen[str]]
) -> dict[str, list[str] | str]:
    """What is told of each source that is refused, without the name of the workload's file."""
    folder = tmp_path_factory.mktemp("refused")
    script = f"import pathlib; pathlib.Path({str(folder / 'ran')!r}).touch()"
    sources = {name: source for name, (source, _) in REFUSED.items()} | {"gated": GATED}
    with hub_of_one_dataset() as hub:
        hub.repos["datasets", "org/gated"] = Repo({"README.md": CARD.encode()}, gated=True)
        hub.repos["datasets", "org/scripted"] = Repo({"README.md": b"", "scripted.py": script.encode()})
        told = reader(hub, folder, start)(*((source, True) for source in sources.values()))
    assert not (folder / "ran").exists(), "code of a repository ran"
    named = {name: folder / str(number) / "named.yaml" for number, name in enumerate(sources)}
    return {name: text.replace(f"{named[name]}: ", "") for name, text in zip(sources, told, strict=True)}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_there_is_one_line_that_names_the_field(refusals: dict[str, str], name: str):
    assert refusals[name].startswith(f"InputError: {REFUSED[name][1]}")
    assert "\n" not in refusals[name]


def test_a_gated_one_says_how_to_get_access(refusals: dict[str, str]):
    remedy = "accept its terms on its page and set HF_TOKEN"
    assert refusals["gated"] == f"CannotRun: the hub refuses access to dataset org/gated; {remedy}"


def test_a_folder_of_the_same_name_is_not_read_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "org" / "texts").mkdir(parents=True)
    (tmp_path / "org" / "texts" / "test.jsonl").write_text('{"question": "Local?"}\n')
    monkeypatch.chdir(tmp_path)
    entry = load_workload(write_workload(tmp_path, UNNAMED))
    with pytest.raises(InputError, match=r"source\.id: .* the folder 'org/texts' instead of the hub; run in another"):
        read_prompts(entry, 1, Hub(download=True))


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
def test_a_source_is_a_file_or_a_split_of_a_dataset(source: dict[str, str]):
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
