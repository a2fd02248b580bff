"""`exitbench new-model` and `exitbench validate`: from an idea to an entry that is right."""

import http.server
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import run
from huggingface_hub import constants

from benchmark.errors import InputError
from benchmark.inputs.model_entry import ModelEntry, load_models
from benchmark.interface.cli import parsers
from benchmark.interface.commands.new_entry import new_entry

ROOT = Path(__file__).parents[3]
INFO: dict[str, Any] = {
    "id": "lab/Nova-2-1B-Instruct",
    "sha": "c0ffee" + "0" * 34,
    "createdAt": "2025-04-27T03:40:08.000Z",
    "safetensors": {"parameters": {"BF16": 1_000_000_512}, "total": 1_000_000_512},
    "cardData": {"base_model": ["lab/Nova-2-1B"], "license": "apache-2.0"},
    "siblings": [],
    "tags": [],
}


class FakeHub(http.server.ThreadingHTTPServer):
    """Answers every question about a model in the same way."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.code = 200
        self.info: Any = INFO
        self.seconds = 0.0

    def handle_error(self, *_: Any) -> None:
        """Who asked did not wait for the answer."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FakeHub

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        time.sleep(self.server.seconds)
        body = json.dumps(self.server.info).encode()
        self.send_response(self.server.code)
        if self.server.code == 401:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub on this machine."""
    with FakeHub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens where the hub should be."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")


def written(lines: list[str], folder: Path) -> ModelEntry:
    """The entry, as it is read at the end of a model file."""
    path = folder / "models.yaml"
    path.write_text("\n".join(["models:", "  - id: org/first", *lines, ""]))
    _, entry = load_models(path)
    return entry


class TestWithTheHub:
    """What the hub says is filled in."""

    def test_a_whole_entry(self, hub: FakeHub, tmp_path: Path):
        entry = written(new_entry("lab/Nova-2-1B-Instruct", []), tmp_path)
        assert (entry.id, entry.name, entry.stage) == ("lab/Nova-2-1B-Instruct", "Nova-2-1B-Instruct", "instruct")
        assert (entry.released, entry.base_model, entry.parameters) == ("2025-04-27", "lab/Nova-2-1B", 1_000_000_512)

    def test_what_is_guessed_says_so(self, hub: FakeHub):
        lines = new_entry("lab/Nova-2-1B-Instruct", [])
        assert '    released: "2025-04-27"  # when its repository was made; better: when it was published' in lines
        assert "    stage: instruct  # by its name; one of base, continued, instruct, distilled or early-exit" in lines
        assert "    # family: the line of models, such as Llama" in lines

    @pytest.mark.parametrize(
        ("name", "base_model", "stage"),
        [
            ("gemma-3-1b-it", None, "instruct"),
            ("Llama-2-7b-chat-hf", None, "instruct"),
            ("DeepSeek-R1-Distill-Qwen-1.5B", "Qwen/Qwen2.5-1.5B", "distilled"),
            ("gemma-3-1b-pt", None, "base"),
            ("Qwen3-8B-Base", None, "base"),
            ("Nova-Base-plus", "lab/Nova", None),
            ("Bitter-1b", None, None),
        ],
    )
    def test_stage_by_its_name(
        self, hub: FakeHub, tmp_path: Path, name: str, base_model: str | None, stage: str | None
    ):
        hub.info = INFO | {"cardData": {"base_model": base_model} if base_model else {}}
        assert written(new_entry(f"lab/{name}", []), tmp_path).stage == stage

    def test_family_as_other_entries_have_it(self, hub: FakeHub, tmp_path: Path):
        entries = [ModelEntry(id=f"a/{n}", family=f) for n, f in enumerate(("No", "Nova", "Nova-Tiny", "Qwen"))]
        assert written(new_entry("lab/nova-2-1B", entries), tmp_path).family == "Nova"

    @pytest.mark.parametrize(
        "card",
        [
            {"base_model": "x: [1, 2]\n  - id: evil/model"},
            {"base_model": ["a/b", "c/d"]},
            {"base_model": 7},
            {"base_model": "lab/Nova-2-1B-Instruct"},
            {"base_model": ""},
            {},
            None,
        ],
    )
    def test_a_card_that_names_no_base_model(self, hub: FakeHub, tmp_path: Path, card: Any):
        hub.info = INFO | {"cardData": card}
        assert written(new_entry("lab/Nova-2-1B-Instruct", []), tmp_path).base_model is None

    def test_a_repository_that_says_nothing(self, hub: FakeHub, tmp_path: Path):
        hub.info = {"id": "lab/model", "siblings": [], "tags": []}
        entry = written(new_entry("lab/model", []), tmp_path)
        assert entry.model_dump(exclude_defaults=True) == {"id": "lab/model", "name": "model"}

    def test_a_model_that_does_not_exist(self, hub: FakeHub):
        hub.code = 401
        with pytest.raises(InputError, match=r"^no model 'lab/none' on the hub") as error:
            new_entry("lab/none", [])
        assert "\n" not in str(error.value)


class TestWithoutTheHub:
    """Only what the id tells, and the rest to fill in."""

    def test_a_minimal_entry(self, no_hub: None, tmp_path: Path):
        lines = new_entry("lab/Nova-2-1B", [])
        assert lines[0].startswith("  # the hub cannot be reached (")
        assert written(lines, tmp_path).model_dump(exclude_defaults=True) == {
            "id": "lab/Nova-2-1B",
            "name": "Nova-2-1B",
        }
        for field in ("family", "released", "stage", "base_model", "parameters"):
            assert any(line.startswith(f"    # {field}: ") for line in lines)

    @pytest.mark.parametrize("code", [403, 404, 410])
    def test_a_hub_that_refuses(self, hub: FakeHub, tmp_path: Path, code: int):
        hub.code = code
        assert written(new_entry("lab/model", []), tmp_path).parameters is None

    def test_a_hub_that_does_not_answer_is_not_waited_for(
        self, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("benchmark.interface.commands.new_entry.REQUEST_SECONDS", 0.2)
        hub.seconds = 2.0
        assert "Timeout" in new_entry("lab/model", [])[0]


class TestIds:
    """A bad one is refused in one line, before the hub is asked."""

    @pytest.mark.parametrize(
        "model_id",
        [
            "",
            ".",
            "..",
            "a/b/c",
            "../model",
            "/etc/passwd",
            "lab/..",
            "lab/.hidden",
            "lab/model.git",
            "lab//model",
            "lab/",
            "/model",
            "https://huggingface.co/lab/model",
            "lab/<b>model</b>",
            "lab/model name",
            "lab/model\n  - id: evil/model",
            "lab/a--b",
            "C:\\model",
            "x" * 200,
            "\x1b[31mred",
        ],
    )
    def test_refused(self, no_hub: None, model_id: str):
        with pytest.raises(InputError, match=r"is not a hub id; it should look like organization/name") as error:
            new_entry(model_id, [])
        assert str(error.value).isprintable()

    def test_a_model_that_is_there_already(self, no_hub: None):
        with pytest.raises(InputError, match="'lab/model' is in the model file already, as 'mine'"):
            new_entry("lab/model", [ModelEntry(id="lab/model", name="mine")])

    def test_another_revision_of_it_is_another_entry(self, no_hub: None):
        assert "  - id: lab/model" in new_entry("lab/model", [ModelEntry(id="lab/model", revision="step1")])

    def test_the_hub_does_not_tell_upper_from_lower_case(self, no_hub: None):
        with pytest.raises(InputError, match="'LAB/Model' is in the model file already, as 'model'"):
            new_entry("LAB/Model", [ModelEntry(id="lab/model")])

    @pytest.mark.parametrize("model_id", ["1234", "null", "1e5", "2024-01-01", "lab/on", "on"])
    def test_an_id_that_yaml_would_read_as_something_else(self, no_hub: None, tmp_path: Path, model_id: str):
        entry = written(new_entry(model_id, []), tmp_path)
        assert (entry.id, entry.name) == (model_id, model_id.rpartition("/")[2])

    def test_a_longer_name_that_is_taken_as_well(self, no_hub: None, tmp_path: Path):
        entries = [
            ModelEntry(id="org/first"),
            ModelEntry(id="a/b", name="LAB-first"),
            ModelEntry(id="a/c", name="lab-first-2"),
        ]
        assert written(new_entry("lab/First", entries), tmp_path).name == "lab-First-3"

    def test_a_name_that_is_taken(self, no_hub: None, tmp_path: Path):
        lines = new_entry("lab/First", [ModelEntry(id="org/first")])
        assert written(lines, tmp_path).name == "lab-First"


class TestNewModelCommand:
    """`exitbench new-model`."""

    def test_it_prints_and_writes_nothing(
        self, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ):
        monkeypatch.chdir(tmp_path)
        assert run("new-model", "lab/Nova-2-1B-Instruct") == 0
        (entry,) = yaml.safe_load(capsys.readouterr().out)
        assert entry["parameters"] == 1_000_000_512
        assert list(tmp_path.iterdir()) == []

    def test_its_output_goes_to_the_end_of_the_models_that_ship(
        self, no_hub: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        run("new-model", "lab/Qwen-like-1B", "--model-file", ROOT / "models.yaml")
        path = tmp_path / "models.yaml"
        path.write_text((ROOT / "models.yaml").read_text() + capsys.readouterr().out)
        assert load_models(path)[-1].model_dump(exclude_defaults=True) == {
            "id": "lab/Qwen-like-1B",
            "name": "Qwen-like-1B",
            "family": "Qwen",
        }

    def test_a_bad_id_is_one_line_and_1(self, no_hub: None, capsys: pytest.CaptureFixture[str]):
        assert run("new-model", "../../model") == 1
        output = capsys.readouterr()
        assert output.out == ""
        assert len(output.err.splitlines()) == 1


class TestValidate:
    """`exitbench validate`."""

    def test_a_good_file(self, capsys: pytest.CaptureFixture[str]):
        assert run("validate", ROOT / "models.yaml") == 0
        assert capsys.readouterr().out.startswith(f"{ROOT / 'models.yaml'}: models ")

    def test_a_workload(self, capsys: pytest.CaptureFixture[str]):
        path = ROOT / "benchmark" / "workloads" / "chat.yaml"
        assert run("validate", path) == 0
        assert capsys.readouterr().out == f"{path}: the workload chat\n"

    def test_every_mistake_of_every_file_is_a_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        models, workload = tmp_path / "models.yaml", tmp_path / "poems.yaml"
        models.write_text("models:\n  - id: org/model\n    stage: tuned\n  - {famly: Llama}\n  - id: org/<b>\n")
        workload.write_text("name: poems\nkind: sung\n")
        assert run("validate", models, workload, ROOT / "models.yaml") == 1
        output = capsys.readouterr()
        lines = output.err.splitlines()
        assert all(line.startswith((f"{models}: entry ", f"{workload}: field ")) for line in lines)
        assert {line.split(":")[1].strip() for line in lines if line.startswith(str(models))} == {
            "entry 1 (org/model)",
            "entry 2",
            "entry 3 (org/<b>)",
        }
        assert output.out.startswith(f"{ROOT / 'models.yaml'}: models ")

    def test_names_and_keys_with_line_ends_stay_one_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        path = tmp_path / "a\n::error::b.yaml"
        path.write_text('models:\n  - {id: org/model, "x\\n::error::y": 1}\n  - {"\\e[31m": 1, "\\e[31m": 2}\n')
        assert run("validate", path) == 1
        path.write_text('models:\n  - {id: org/model, "x\\n::error::y": 1}\n')
        assert run("validate", path) == 1
        path.write_text("models:\n  - {id: org/model}\n")
        assert run("validate", path) == 0
        output = capsys.readouterr()
        assert [line for line in (output.out + output.err).splitlines() if not line.startswith(str(tmp_path))] == []
        assert (output.out + output.err).replace("\n", "").isprintable()

    @pytest.mark.parametrize("content", [None, "", "{", "[]", "- id: org/model", "models: 7", "x: 1", b"\xff\xfe"])
    def test_what_is_no_model_file(self, tmp_path: Path, content: str | bytes | None, capsys: Any):
        path = tmp_path / "models.yaml"
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        assert run("validate", path) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"{path}: ")


class TestInstructions:
    """Every command that people and CI are told to run is one that there is."""

    FILES = (
        ROOT / "CONTRIBUTING.md",
        *(ROOT / ".github").rglob("*.md"),
        *(ROOT / ".github").rglob("*.yml"),
    )

    def commands(self, program: str) -> list[list[str]]:
        """What follows a program of `.venv/bin` in these files, word by word."""
        text = "\n".join(path.read_text() for path in self.FILES)
        found = re.findall(rf"\.venv/bin/{program}((?: [^\s`|>&;]+)*)", text)
        return [arguments.split() for arguments in found]

    def test_commands_of_exitbench(self, capsys: pytest.CaptureFixture[str]):
        parser = parsers()[""]
        ours = [arguments for arguments in self.commands("exitbench") if arguments[0] != "doctor"]
        # A command that is only named stands there without its arguments.
        whole = [arguments for arguments in ours if len(arguments) > 1 or arguments == ["schema"]]
        told = {"new-model", "validate", "plan", "check", "merge", "leaderboard", "schema"}
        assert {arguments[0] for arguments in whole} == told
        for arguments in whole:
            parser.parse_args(arguments)  # ends the test when it cannot

    def test_options_of_a_measurement(self, request: pytest.FixtureRequest):
        (arguments,) = self.commands("pytest")
        options = [argument for argument in arguments if argument.startswith("--")]
        assert options == ["--model", "--download", "--signals"]
        for option in options:
            request.config.getoption("exitbench_" + option.removeprefix("--"))

    def test_links_lead_somewhere(self):
        text = (ROOT / "CONTRIBUTING.md").read_text()
        links = [link for link in re.findall(r"\]\(([^)#]+)", text) if not link.startswith("http")]
        assert links
        assert [link for link in links if not (ROOT / link).exists()] == []

    def test_forms_and_workflow_are_yaml(self):
        documents = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github").rglob("*.yml")}
        for form in ("model", "number", "bug"):
            assert documents[form].keys() >= {"name", "description", "body"}
        for workflow in ("contribution", "ci"):
            assert documents[workflow]["permissions"] == {"contents": "read"}

    def test_every_change_is_checked(self):
        """YAML reads the key `on` as true."""
        workflows = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")}
        runs = {name: [step.get("run") for step in w["jobs"].popitem()[1]["steps"]] for name, w in workflows.items()}
        assert ".ci/run" in runs["ci"]
        assert ".venv/bin/exitbench check results/published" in runs["contribution"]
        assert workflows["ci"][True] == ["push", "pull_request"]
        assert workflows["contribution"][True] == "pull_request"
