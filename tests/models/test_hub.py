"""Hub models and datasets, fetched from a real server on this machine that speaks the hub's protocol."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hub_server import COMMIT, GONE, HubServer, Repo

from benchmark.inputs.catalog import WORKLOAD_FOLDER
from benchmark.inputs.workload_entry import load_workload


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    with HubServer() as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        yield hub
        hub.shutdown()


_ASK = """
import json, sys, time
from pathlib import Path
from benchmark.errors import CannotRun, ExitBenchError
from benchmark.models.hub import Hub
from benchmark.inputs.model_entry import load_models
from benchmark.inputs.workload_entry import load_workload

def refuse_large(config, weight_bytes):
    if weight_bytes > 1e12:
        raise CannotRun("too large", "buy a larger machine")

def model(hub, spec):
    if spec.file:
        return hub.gguf_on_disk(spec) or hub.fetch_gguf(spec, lambda weights: refuse_large(spec, weights))
    return hub.model_on_disk(spec) or hub.fetch_model(spec, refuse_large)

hub = Hub(download="--download" in sys.argv)
asked = [(spec.name, model, spec) for spec in load_models(Path(sys.argv[1]))] if sys.argv[1] else []
asked += [(Path(file).stem, Hub.dataset_file, load_workload(Path(file))) for file in sys.argv[2:] if file[0] != "-"]
answers = {}
for name, find, spec in asked:
    start = time.perf_counter()
    try:
        answer = {"path": str(find(hub, spec))}
    except ExitBenchError as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    answers[name] = answer | {"seconds": time.perf_counter() - start}
print(json.dumps(answers))
"""

Answers = dict[str, dict[str, Any]]


@pytest.fixture
def ask(server: HubServer, start: Callable[..., Any], tmp_path: Path) -> Callable[..., Answers]:
    """Ask `Hub` for the models of a YAML text and for workload files, in a process with HF_ENDPOINT set."""

    def run(models: str = "", *options: str | Path, endpoint: str = server.url) -> Answers:
        model_file = tmp_path / "models.yaml"
        model_file.write_text(f"models:\n{models}")
        file = model_file if models else ""
        process = start("-c", _ASK, file, *options, hf_home=tmp_path / "hf", HF_ENDPOINT=endpoint)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
        return json.loads(output.splitlines()[-1])

    return run


def files(tiny_folder: Path, *names: str) -> dict[str, bytes]:
    """Small files of the tiny model, and made-up content for other names."""
    small = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
    made_up = {name: name.encode() for name in names}
    return made_up | {path.name: path.read_bytes() for path in tiny_folder.iterdir() if path.name in small}


def index(*shards: str) -> bytes:
    return json.dumps({"weight_map": {f"layer.{number}": shard for number, shard in enumerate(shards)}}).encode()


def fetched(folder: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_without_download_nothing_is_asked_and_size_and_remedy_are_named(server, ask):
    server.log.clear()
    answers = ask("- {id: org/any, parameters: 8030261248}\n- {id: org/unsized}\n")
    assert server.log == []
    assert answers["any"]["error"] == "NotFetched"
    assert answers["any"]["message"] == "not on this machine (8.03 B, 16.1 GB); allow the download to fetch it"
    assert "size unknown" in answers["unsized"]["message"]


def test_only_what_is_needed_is_fetched(server, ask, tiny_folder):
    in_folders = ("onnx/config.json", "onnx/model.onnx", "original/tokenizer.model", "original/params.json")
    server.repos["models", "org/plain"] = Repo(
        files(tiny_folder, "model.safetensors", "pytorch_model.bin", "model.gguf", "modeling.py", *in_folders)
    )
    answer = ask("- id: org/plain\n", "--download")["plain"]
    assert fetched(answer["path"]) == {
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
    }


def test_own_code_is_fetched_for_an_entry_that_trusts_it(server, ask, tiny_folder):
    server.repos["models", "org/custom"] = Repo(files(tiny_folder, "model.safetensors", "modeling.py"))
    answer = ask("- {id: org/custom, trust_remote_code: true}\n", "--download")["custom"]
    assert "modeling.py" in fetched(answer["path"])


@pytest.mark.parametrize(
    ("layout", "wanted"),
    [
        pytest.param(
            {
                "model.safetensors.index.json": index("model-00001-of-00002.safetensors", "model-00002.safetensors"),
                "model-00001-of-00002.safetensors": b"1",
                "model-00002.safetensors": b"2",
                "model-of-an-earlier-upload.safetensors": b"not in the index",
            },
            {"model-00001-of-00002.safetensors", "model-00002.safetensors"},
            id="shards-of-the-index",
        ),
        pytest.param(
            {
                "model.safetensors.index.json": index("model.safetensors-1-of-1.safetensors"),
                "model.safetensors-1-of-1.safetensors": b"1",
            },
            {"model.safetensors-1-of-1.safetensors"},
            id="shards-of-any-name",
        ),
        pytest.param(
            {
                "model.safetensors": b"whole",
                "pytorch_model.bin.index.json": index("pytorch_model-1.bin"),
                "pytorch_model-1.bin": b"1",
            },
            {"model.safetensors"},
            id="whole-safetensors-before-sharded-bin",
        ),
        pytest.param({"pytorch_model.bin": b"old"}, {"pytorch_model.bin"}, id="bin-when-there-is-nothing-else"),
    ],
)
def test_one_layout_of_weights_is_fetched_and_found_again(server, ask, tiny_folder, layout, wanted):
    server.repos["models", "org/layout"] = Repo(files(tiny_folder) | layout)
    first = ask("- id: org/layout\n", "--download")["layout"]
    assert fetched(first["path"]) & {name for name in layout if not name.endswith("index.json")} == wanted

    server.log.clear()
    assert ask("- id: org/layout\n", "--download")["layout"]["path"] == first["path"]
    assert server.log == []


def test_a_snapshot_that_lacks_a_shard_is_not_taken_for_complete(server, ask, tiny_folder):
    shards = {"model-1.safetensors": b"1", "model-2.safetensors": b"2"}
    server.repos["models", "org/sharded"] = Repo(
        files(tiny_folder) | shards | {"model.safetensors.index.json": index(*shards)}
    )
    entry = "- id: org/sharded\n"
    snapshot = Path(ask(entry, "--download")["sharded"]["path"])
    (snapshot / "model-2.safetensors").resolve().unlink()
    (snapshot / "model-2.safetensors").unlink()

    assert "not on this machine" in ask(entry)["sharded"]["message"]
    again = ask(entry, "--download")["sharded"]
    assert (Path(again["path"]) / "model-2.safetensors").read_bytes() == b"2"


@pytest.mark.parametrize("broken", ["tree", "model.safetensors"])
def test_a_download_that_breaks_off_is_resumed_by_the_next_run(server, ask, tiny_folder, broken):
    server.repos["models", "org/flaky"] = Repo(files(tiny_folder, "model.safetensors"))
    server.broken = {broken: GONE}
    try:
        answer = ask("- id: org/flaky\n", "--download")["flaky"]
    finally:
        server.broken = {}
    assert answer["error"] == "CannotRun"
    assert "broke off" in answer["message"] and "run the same command again" in answer["message"]
    assert "not on this machine" in ask("- id: org/flaky\n")["flaky"]["message"]
    assert "model.safetensors" in fetched(ask("- id: org/flaky\n", "--download")["flaky"]["path"])


def test_every_refusal_names_its_reason_and_stops_no_other_model(server, ask, tiny_folder, tmp_path):
    whole = files(tiny_folder, "model.safetensors")
    server.repos["models", "org/gated"] = Repo(whole, gated=True)
    server.repos["models", "org/forbidden"] = Repo(whole, forbidden=True)
    server.repos["models", "org/no-weights"] = Repo(files(tiny_folder, "model.gguf"))
    server.repos["models", "org/no-config"] = Repo({"model.safetensors": b"weights"})
    server.repos["models", "org/lacks-a-shard"] = Repo(
        files(tiny_folder) | {"model.safetensors.index.json": index("model-1.safetensors")}
    )
    server.repos["models", "org/huge"] = Repo(whole, sizes={"model.safetensors": 10**13})
    server.repos["models", "org/last"] = Repo(whole)
    names = ("gated", "forbidden", "no-weights", "no-config", "lacks-a-shard", "absent", "huge")
    entries = "".join(f"- id: org/{name}\n" for name in names)
    server.log.clear()
    answers = ask(
        f"{entries}- {{id: org/last, revision: step9, name: no-revision}}\n"
        "- {id: org/bad--id, name: bad-id}\n"
        "- id: org/last\n",
        "--download",
    )
    file = tmp_path / "models.yaml"

    def refusal(name: str) -> tuple[str, str]:
        return answers[name]["error"], answers[name]["message"]

    error, message = refusal("gated")
    assert error == "CannotRun" and f"accept its terms at {server.url}/org/gated and set HF_TOKEN" in message
    error, message = refusal("forbidden")
    assert error == "CannotRun" and "org/forbidden" in message and "403" in message
    error, message = refusal("no-weights")
    assert error == "CannotRun" and "org/no-weights has no safetensors or PyTorch weights" in message
    error, message = refusal("no-config")
    assert error == "CannotRun" and "org/no-config has no config.json" in message
    error, message = refusal("lacks-a-shard")
    assert error == "CannotRun" and "org/lacks-a-shard lacks" in message
    error, message = refusal("absent")
    assert error == "InputError" and message.startswith(f"{file}: absent: id: no model 'org/absent' on the hub")
    error, message = refusal("no-revision")
    assert error == "InputError" and message == f"{file}: no-revision: revision: org/last has no revision 'step9'"
    error, message = refusal("bad-id")
    assert error == "InputError" and message.startswith(f"{file}: bad-id: id: ")
    error, message = refusal("huge")
    assert error == "CannotRun" and message.startswith("too large")
    assert not any("huge" in line and "safetensors" in line for line in server.log)
    assert "path" in answers["last"]
    assert all("\n" not in answer.get("message", "") for answer in answers.values())


def test_an_unreachable_hub_is_found_out_once(ask):
    entries = "".join(f"- {{id: org/model-{number}}}\n" for number in range(30))
    answers = ask(entries, "--download", endpoint=f"http://127.0.0.1:{closed_port()}")
    messages = {answer["message"] for answer in answers.values()}
    assert len(messages) == 1 and "the hub cannot be reached" in messages.pop()
    seconds = [answer["seconds"] for answer in answers.values()]
    assert seconds[0] < 8 and sum(seconds[1:]) < 1


@pytest.mark.parametrize(
    ("code", "reason", "remedy"),
    [
        (429, "had too many requests and does not answer for org/first (HTTP 429)", "wait some minutes, or set HF_TOK"),
        (500, "has an error of its own at org/first (HTTP 500)", "wait and run the command again"),
        (503, "has an error of its own at org/first (HTTP 503)", "wait and run the command again"),
    ],
)
def test_an_error_at_one_repository_stops_no_other_model(server, ask, tiny_folder, code, reason, remedy):
    server.repos["models", "org/second"] = Repo(files(tiny_folder, "model.safetensors"))
    server.broken = {"org/first": code}
    try:
        answers = ask("- id: org/first\n- id: org/second\n", "--download")
    finally:
        server.broken = {}
    assert answers["first"]["error"] == "CannotRun"
    assert reason in answers["first"]["message"] and f"; {remedy}" in answers["first"]["message"]
    assert "path" in answers["second"]


class TestOneGgufOfARepository:
    """`id` with `file`: only that file is fetched."""

    @pytest.mark.parametrize("file", ["m.Q4_0.gguf", "quantized/m.Q4_0.gguf"])
    def test_is_fetched_alone_and_found_again(self, server, ask, file):
        server.repos["models", "org/ggufs"] = Repo({"README.md": b"", "m.F16.gguf": b"GGUF", file: b"GGUF and more"})
        entry = f"- {{id: org/ggufs, file: {file}}}\n"
        assert "not on this machine" in ask(entry)["m.Q4_0"]["message"]
        path = ask(entry, "--download")["m.Q4_0"]["path"]
        assert Path(path).read_bytes() == b"GGUF and more"
        assert path.endswith(f"/{COMMIT}/{file}") and fetched(path.removesuffix(file)) == {file}
        server.log.clear()
        assert ask(entry)["m.Q4_0"]["path"] == path
        assert server.log == []

    def test_that_is_not_there_names_the_field_and_the_nearest(self, server, ask, tmp_path):
        server.repos["models", "org/ggufs"] = Repo({"m.Q4_0.gguf": b"GGUF"})
        message = ask("- {id: org/ggufs, file: m.Q4_1.gguf}\n", "--download")["m.Q4_1"]["message"]
        where = f"{tmp_path / 'models.yaml'}: m.Q4_1: file"
        assert message == f"{where}: org/ggufs has no file 'm.Q4_1.gguf'; did you mean 'm.Q4_0.gguf'?"

    def test_that_is_too_large_is_not_fetched(self, server, ask):
        server.repos["models", "org/ggufs"] = Repo({"m.gguf": b"GGUF"}, gguf={"total": 10**13})
        server.log.clear()
        assert ask("- {id: org/ggufs, file: m.gguf}\n", "--download")["m"]["message"].startswith("too large")
        assert not any("resolve" in line for line in server.log)

    def test_a_repository_that_has_nothing_else_says_how_to_name_one(self, server, ask):
        server.repos["models", "org/ggufs"] = Repo({"config.json": b"{}", "m.gguf": b"GGUF"})
        message = ask("- id: org/ggufs\n", "--download")["ggufs"]["message"]
        assert message.endswith("; name a repository that has, or one of its GGUF files as 'file', such as m.gguf")


def workload(folder: Path, name: str, source: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(
        f"{{name: {name}, description: d, source: {source}, field: text, kind: completion, prompts: 2, "
        "max_new_tokens: 4, licence: MIT}\n"
    )
    return path


def test_dataset_files_are_fetched_once_and_only_when_asked(server, ask, tmp_path):
    server.repos["datasets", "org/texts"] = Repo({"data/test.jsonl": b'{"text": "one"}\n'})
    texts = workload(tmp_path, "texts", f"{{id: org/texts, revision: {COMMIT}, file: data/test.jsonl}}")
    server.log.clear()
    assert (
        ask("", texts)["texts"]["message"] == "not on this machine (dataset org/texts); allow the download to fetch it"
    )
    assert server.log == []
    path = ask("", texts, "--download")["texts"]["path"]
    assert Path(path).read_text() == '{"text": "one"}\n'
    server.log.clear()
    assert ask("", texts)["texts"]["path"] == path
    assert server.log == []


def test_dataset_mistakes_name_the_file_and_the_field(server, ask, tmp_path):
    server.repos["datasets", "org/texts"] = Repo({"data/test.jsonl": b'{"text": "one"}\n'})
    absent = workload(tmp_path, "absent", "{id: org/absent, file: a.jsonl}")
    revision = workload(tmp_path, "revision", "{id: org/texts, revision: step9, file: a.jsonl}")
    file = workload(tmp_path, "file", "{id: org/texts, file: a.jsonl}")
    answers = ask("", absent, revision, file, "--download")
    assert answers["absent"]["message"].startswith(f"{absent}: source.id: no dataset 'org/absent' on the hub")
    assert answers["revision"]["message"] == f"{revision}: source.revision: org/texts has no revision 'step9'"
    assert answers["file"]["message"] == f"{file}: source.file: org/texts has no file 'a.jsonl'"
    assert {answer["error"] for answer in answers.values()} == {"InputError"}


def test_a_dataset_download_that_breaks_off_is_no_mistake_of_the_workload(server, ask, tmp_path):
    server.repos["datasets", "org/texts"] = Repo({"test.jsonl": b'{"text": "one"}\n'})
    texts = workload(tmp_path, "texts", "{id: org/texts, file: test.jsonl}")
    server.broken = {"/resolve/": GONE}
    try:
        answer = ask("", texts, "--download")["texts"]
    finally:
        server.broken = {}
    assert answer["error"] == "CannotRun" and "broke off" in answer["message"]


@pytest.fixture(scope="module")
def hub_session(server, run_suite, tiny_folder, tmp_path_factory):
    """One session that downloads a model and a dataset, and meets two models it cannot have."""
    folder = tmp_path_factory.mktemp("hub_session")
    server.repos["models", "org/tiny"] = Repo({path.name: path.read_bytes() for path in tiny_folder.iterdir()})
    server.repos["models", "org/gated"] = Repo(files(tiny_folder, "model.safetensors"), gated=True)
    server.repos["models", "org/huge"] = Repo(
        files(tiny_folder, "model.safetensors"), sizes={"model.safetensors": 10**13}
    )
    questions = pd.DataFrame({"question": ["1 + 1?", "2 + 2?"], "answer": ["2", "4"]})
    gsm8k = load_workload(WORKLOAD_FOLDER / "gsm8k.yaml").source
    server.repos["datasets", gsm8k.id] = Repo({gsm8k.file: questions.to_parquet()}, commit=gsm8k.revision)
    (folder / "models.yaml").write_text(
        "models:\n" + "".join(f"- id: org/{name}\n" for name in ("tiny", "gated", "huge", "absent"))
    )
    finished = run_suite(
        *("--model-file", folder / "models.yaml", "--results-dir", folder / "results"),
        *("--workload", "gsm8k", "--max-new-tokens", "4", "--download"),
        hf_home=folder / "hf",
        HF_ENDPOINT=server.url,
    )
    return folder, finished


def test_a_downloaded_model_is_measured_under_the_commit_it_has(hub_session):
    folder, _ = hub_session
    (row,) = [json.loads(path.read_text()) for path in (folder / "results" / "tiny" / "gsm8k").glob("*.json")]
    assert (row["source"], row["revision"], row["prompts"]) == ("hub:org/tiny", COMMIT, 2)


def test_a_session_skips_what_the_hub_does_not_give_and_fails_on_a_wrong_id(hub_session, server):
    folder, finished = hub_session
    assert finished.code == 1
    assert "9 failed, 9 passed, 18 skipped" in finished.output
    assert f"{folder / 'models.yaml'}: absent: id: no model 'org/absent' on the hub" in finished.output
    said = " ".join(finished.output.split())  # lines are folded
    assert f"accept its terms at {server.url}/org/gated and set HF_TOKEN" in said
    assert "needs about 1.2e+04 GB of memory" in said
    assert "Traceback" not in finished.output


def test_no_weights_of_a_model_that_is_too_large_were_asked_for(hub_session, server):
    assert not any("org/huge/resolve" in line and "safetensors" in line for line in server.log)
