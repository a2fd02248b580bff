"""`exitbench fetch`: files of a real server on this machine, fetched ahead, once, whoever asks."""

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from hub_server import HubServer, Repo

from benchmark.inputs.catalog import WORKLOAD_FOLDER
from benchmark.inputs.workload_entry import load_workload

MODELS = """
models:
- id: org/tiny
- id: org/huge
  parameters: 1000000000000000
- id: org/absent
- path: somewhere
  name: local
"""
GSM8K = load_workload(WORKLOAD_FOLDER / "gsm8k.yaml").source


@pytest.fixture
def server(tiny_folder: Path) -> Iterator[HubServer]:
    with HubServer() as hub:
        everything = {path.name: path.read_bytes() for path in tiny_folder.iterdir()}
        hub.repos["models", "org/tiny"] = Repo(everything)
        hub.repos["models", "org/huge"] = Repo(everything)
        questions = pd.DataFrame({"question": ["1 + 1?"], "answer": ["2"]})
        hub.repos["datasets", str(GSM8K.id)] = Repo({str(GSM8K.file): questions.to_parquet()}, commit=GSM8K.revision)
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        yield hub
        hub.shutdown()


Fetch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def fetch(server: HubServer, start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path) -> Fetch:
    """Start the command in a process with a cache of its own test."""
    (tmp_path / "models.yaml").write_text(MODELS)

    def begin(*arguments: object) -> "subprocess.Popen[str]":
        command = ("-m", "benchmark", "fetch", *arguments, "--model-file", tmp_path / "models.yaml")
        return start(*command, "--workload", "gsm8k", hf_home=tmp_path / "hf", HF_ENDPOINT=server.url)

    return begin


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


def contents(server: HubServer, name: str) -> int:
    """How often the content of a file was asked for."""
    return sum(bool(re.match(f"GET .*{re.escape(name)}$", line)) for line in server.log)


def test_models_and_data_are_fetched_once(fetch: Fetch, server: HubServer):
    code, output = ended(fetch("tiny"))
    assert (code, contents(server, "model.safetensors"), contents(server, str(GSM8K.file))) == (0, 1, 1), output
    assert re.search(r"^tiny: fetched in \d+ s$", output, re.MULTILINE)
    assert re.search(r"^gsm8k: fetched in \d+ s$", output, re.MULTILINE)
    server.log.clear()
    code, output = ended(fetch("tiny"))
    assert (code, output.splitlines()) == (0, ["tiny: here already", "gsm8k: here already"])
    assert server.log == []


def test_two_processes_fetch_nothing_twice(fetch: Fetch, server: HubServer):
    server.slow = {"model.safetensors": 6.0}
    outcomes = [ended(process) for process in [fetch("tiny"), fetch("tiny")]]
    assert [code for code, _ in outcomes] == [0, 0], outcomes
    assert contents(server, "model.safetensors") == 1


def test_a_named_model_need_not_run_here_and_others_are_left_alone(fetch: Fetch, server: HubServer):
    code, output = ended(fetch("huge"))
    assert (code, contents(server, "org/huge/resolve/main/model.safetensors")) in ((0, 1), (0, 0)), output
    assert "huge: fetched" in output and "tiny" not in output


def test_without_names_what_could_run_here(fetch: Fetch, server: HubServer):
    code, output = ended(fetch())
    assert code == 1
    assert "tiny: fetched" in output and "huge" not in output and "local" not in output
    (line,) = [line for line in output.splitlines() if line.startswith("absent: ") and "fetching" not in line]
    assert "no model 'org/absent' on the hub" in line
    assert "gsm8k: fetched" in output  # what one model lacks stops no other


def test_what_is_not_of_the_hub_is_told(fetch: Fetch):
    code, output = ended(fetch("local"))
    assert code == 1
    assert "local: its 'path' is not on the hub; name a model with an id, or install and copy it yourself" in output
    assert "Traceback" not in output
